/** Requests for reservations, field by field. */
import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { amount, NOTHING } from "#budget";
import {
  CancelReservationRequestSchema,
  CreateReservationRequestSchema,
  ListReservationsRequestSchema,
} from "#gen/bursar/v1/coordination_service_pb.js";
import { parseCancelReservation, parseCreateReservation, parseListReservations } from "./reservations.ts";

const DAYS_MS = 24n * 60n * 60n * 1_000n;
const plain = { requestId: "r", allocation: "global/a", name: "n", amounts: { credits: 5n }, lastsMs: 1_000n };

function parsed(more: object) {
  return parseCreateReservation(create(CreateReservationRequestSchema, { ...plain, ...more }));
}

describe("CreateReservation", () => {
  test("as it was asked for, the rest as usual", () => {
    const spec = {
      ...plain,
      amounts: { ...NOTHING, credits: amount(5) },
      startsInMs: 0,
      lastsMs: 1_000,
      priority: "NORMAL",
    };
    expect(parsed({})).toEqual({ ok: true, value: spec });
    const more = { reservationId: "own", afterReservationId: "other", priority: 3, startsInMs: 30n * DAYS_MS };
    expect(parsed(more)).toMatchObject({
      value: { reservationId: "own", afterId: "other", priority: "HIGH", startsInMs: Number(30n * DAYS_MS) },
    });
  });

  test.each([
    ["nothing", { amounts: {} }, ["amounts"]],
    ["less than nothing", { amounts: { credits: -1n, toolCalls: 1n } }, ["amounts.credits"]],
    ["the past and no time", { startsInMs: -1n, lastsMs: 0n }, ["starts_in_ms", "lasts_ms"]],
    ["too far, too long", { startsInMs: 31n * DAYS_MS, lastsMs: 31n * DAYS_MS }, ["starts_in_ms", "lasts_ms"]],
    ["no name and no place", { name: "", allocation: "" }, ["allocation", "name"]],
    ["ids that are none", { reservationId: "é", afterReservationId: "\n" }, ["reservation_id", "after_reservation_id"]],
    ["an unknown priority", { priority: 77 }, ["priority"]],
  ])("%s is refused by field", (_, more, fields) => {
    const answer = parsed(more);
    expect(answer.ok ? [] : answer.violations.map(({ field }) => field)).toEqual(fields);
  });
});

test("the others name what they are about", () => {
  const cancel = (reservationId: string) =>
    parseCancelReservation(create(CancelReservationRequestSchema, { reservationId }));
  expect([cancel("r"), cancel("").ok]).toEqual([{ ok: true, value: { id: "r" } }, false]);
  const list = (allocation: string) => parseListReservations(create(ListReservationsRequestSchema, { allocation }));
  expect([list(""), list("é").ok]).toEqual([{ ok: true, value: { allocation: "" } }, false]);
});
