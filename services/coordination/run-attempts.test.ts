import { expect, test } from "vitest";
import type { Limits, OpenWish } from "#budget";
import { LIMITS } from "#std";
import { againWish, attemptNotes, nextAttemptOf } from "./run-attempts.ts";
import type { RunOrder } from "./run-order.ts";

const order: RunOrder = {
  ...{ requestId: "r", swarmId: "s", limits: {} as Limits, priority: "NORMAL", waitMs: 50, trace: undefined },
  routine: { name: "work", limits: {}, steps: [] } as unknown as RunOrder["routine"],
};
const wish = { parentId: "s", caller: "swarm:s", requestId: "r", waitMs: 50, reservationId: "kept" } as OpenWish;

test("the next attempt is found by the notes beside the one before, also by those of an older version", () => {
  for (const isUntaken of [false, true]) {
    const next = { runId: "b", attempt: 2, isUntaken };
    expect(nextAttemptOf({ notes: new Map(attemptNotes(order, next)) })).toEqual(next);
  }
  expect(nextAttemptOf({ notes: new Map([["next_attempt", "3 c"]]) })).toEqual({
    ...{ runId: "c", attempt: 3, isUntaken: false },
  });
  expect(nextAttemptOf({ notes: new Map() })).toBeUndefined();
});

test("what gave way waits for its turn since it first came; what was never taken is asked for as it was", () => {
  const again = againWish(wish, { allocationId: "a", gaveWay: "a" });
  expect(again).toMatchObject({ caller: "again:s", requestId: "a", attemptOf: "a", waitMs: LIMITS.queueWaitMsMax });
  const untaken = againWish(wish, { allocationId: "a", gaveWay: undefined });
  expect(untaken).toMatchObject({ caller: "again:s", requestId: "a", waitMs: 50 });
  expect("attemptOf" in untaken || "reservationId" in untaken || "reservationId" in again).toBe(false);
  // One that was never taken, of a run that has given way before.
  expect(againWish(wish, { allocationId: "b", gaveWay: "a" })).toMatchObject({ requestId: "b", attemptOf: "a" });
});
