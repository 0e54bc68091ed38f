import { create } from "@bufbuild/protobuf";
import { expect, test, vi } from "vitest";
import { executionError, FaultError, RefusalError } from "#errors";
import {
  RunRoutineRequestSchema,
  type RunRoutineResponse,
  RunRoutineResponseSchema,
} from "#gen/bursar/v1/coordination_service_pb.js";
import type { Clock } from "#ports";
import { TransportError } from "#rpc";
import { systemClock } from "#tier";
import { followRun } from "./follow-run.ts";

const request = create(RunRoutineRequestSchema, { requestId: "r-1", swarmId: "s" });
const started = (sequence: bigint) =>
  create(RunRoutineResponseSchema, { events: [{ sequence, event: { case: "started", value: {} } }] });
const finished = (sequence: bigint) =>
  create(RunRoutineResponseSchema, { events: [{ sequence, event: { case: "finished", value: {} } }] });
const notReady = new FaultError(
  executionError({
    id: "",
    type: "DEPENDENCY_UNAVAILABLE",
    reach: "one",
    message: "no process daemon",
    retryAfterMs: 1_000,
  }),
);
const lost = new TransportError("UNAVAILABLE", "Connection dropped");

/** Pauses end at once, and their time passes. */
function skippingClock(): Clock {
  let skippedMs = 0;
  return {
    ...systemClock,
    monotonicMs: () => systemClock.monotonicMs() + skippedMs,
    after: (delayMs, action) => {
      skippedMs += delayMs;
      return systemClock.after(0, action);
    },
  };
}

/** Follows a run whose stream is opened again and again: each time it gives these answers and then ends, or fails. */
function follow(...streams: readonly (readonly (RunRoutineResponse | Error)[])[]) {
  const opened = vi.fn();
  const onWaiting = vi.fn();
  const interrupt = new AbortController();
  const events = followRun({
    coordination: {
      runRoutine: async function* (asked) {
        opened(asked);
        const answers = streams[Math.min(opened.mock.calls.length, streams.length) - 1] ?? [];
        for (const answer of answers) {
          if (answer instanceof Error) throw answer;
          yield answer;
        }
      },
    },
    request,
    clock: skippingClock(),
    ids: { fraction: () => 0.5 },
    signal: interrupt.signal,
    trace: undefined,
    onWaiting,
    patienceMs: 10_000,
  });
  const sequences = async (): Promise<number[]> => {
    const seen: number[] = [];
    for await (const { sequence } of events) seen.push(Number(sequence));
    return seen;
  };
  return { sequences, opened, onWaiting, interrupt };
}

test("a run is followed to its end", async () => {
  const { sequences, opened, onWaiting } = follow([started(1n), started(2n), finished(3n)]);
  expect(await sequences()).toEqual([1, 2, 3]);
  expect(opened).toHaveBeenCalledOnce();
  expect(onWaiting).not.toHaveBeenCalled();
});

test("what came in one message is told one after the other, and nothing after the end", async () => {
  const together = create(RunRoutineResponseSchema, {
    events: [started(1n), started(2n), started(2n), finished(3n), started(4n)].flatMap(({ events }) => events),
  });
  expect(await follow([together]).sequences()).toEqual([1, 2, 3]);
});

test("after a lost stream the same request joins the same run, and nothing is told twice", async () => {
  const { sequences, opened, onWaiting } = follow(
    [started(1n), started(2n), lost],
    [started(1n), started(2n), started(3n), new TransportError("CANCELLED", "the daemon ends")],
    [started(1n), started(2n), started(3n), finished(4n)],
  );
  expect(await sequences()).toEqual([1, 2, 3, 4]);
  expect(opened.mock.calls.map(([asked]) => asked.requestId)).toEqual(["r-1", "r-1", "r-1"]);
  expect(onWaiting).toHaveBeenCalledTimes(2);
});

test("a mesh that is not ready is waited for, and that is told once", async () => {
  const { sequences, onWaiting } = follow([notReady], [notReady], [notReady], [started(1n), finished(2n)]);
  expect(await sequences()).toEqual([1, 2]);
  expect(onWaiting.mock.calls).toEqual([[notReady]]);
});

test("but not for ever", async () => {
  const { sequences, opened } = follow([notReady]);
  await expect(sequences()).rejects.toBe(notReady);
  expect(opened.mock.calls.length).toBeGreaterThan(8);
  expect(opened.mock.calls.length).toBeLessThan(14);
});

test.each([
  new RefusalError({ reason: "NOT_FOUND", message: "no swarm" }),
  new FaultError(executionError({ id: "", type: "RESOURCE_ALLOCATION_FAILED", reach: "one", message: "never fits" })),
  new FaultError(
    executionError({
      id: "",
      type: "RESOURCE_ALLOCATION_FAILED",
      reach: "one",
      message: "held by another",
      retryAfterMs: 1_000,
    }),
  ),
  new TransportError("INTERNAL", "broken"),
])("an answer that says no is not asked again: $message", async (error) => {
  const { sequences, opened, onWaiting } = follow([error]);
  await expect(sequences()).rejects.toBe(error);
  expect(opened).toHaveBeenCalledOnce();
  expect(onWaiting).not.toHaveBeenCalled();
});

test("leaving ends the waiting", async () => {
  const { sequences, interrupt, opened } = follow([lost]);
  interrupt.abort();
  await expect(sequences()).rejects.toBe(lost);
  expect(opened).toHaveBeenCalledOnce();
});
