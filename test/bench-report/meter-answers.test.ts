import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { MeterResponseSchema } from "#gen/bursar/v1/meter_service_pb.js";
import { MeterAnswers } from "./meter-answers.ts";

const HOLD_ID = "019342c8-7c31-7000-8000-0000000000a1";

const bytesOf = (response: MessageInitShape<typeof MeterResponseSchema>) =>
  toBinary(MeterResponseSchema, create(MeterResponseSchema, response));

const read = (bytes: Uint8Array) => {
  const seen: [number, string][] = [];
  new MeterAnswers(HOLD_ID.length).read(bytes, (itemId, at) => {
    seen.push([itemId, at === 0 ? "" : Buffer.from(bytes).toString("latin1", at, at + HOLD_ID.length)]);
  });
  return seen;
};

test("finds the items and the holds among all else", () => {
  const bytes = bytesOf({
    answers: [
      {
        itemId: 3,
        result: { case: "held", value: { holdId: HOLD_ID, granted: { credits: 40_000n }, ttlMs: 60_000 } },
      },
      { itemId: 300, result: { case: "settled", value: { holdId: HOLD_ID, credits: 10_000n } } },
      { itemId: 4, result: { case: "done", value: {} } },
    ],
    notices: [{ allocationId: HOLD_ID, notice: { case: "closing", value: { reason: "over" } } }],
  });
  expect(read(bytes)).toEqual([
    [3, HOLD_ID],
    [300, ""],
    [4, ""],
  ]);
});

test("a refusal, another id and bytes that end too early are told", () => {
  const error = { itemId: 3, result: { case: "error", value: { code: 7, message: "no" } } } as const;
  expect(() => read(bytesOf({ answers: [error] }))).toThrow("item 3 was refused");
  const short = { itemId: 3, result: { case: "held", value: { holdId: "short" } } } as const;
  expect(() => read(bytesOf({ answers: [short] }))).toThrow("a hold without such an id");
  expect(() => read(Uint8Array.of(0x0a, 0x02, 0x08))).toThrow("no MeterResponse");
});
