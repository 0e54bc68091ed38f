import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type RunEvent, RunEventSchema, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import { view } from "../testing/views.ts";
import { eventLines, outcomeName } from "./event-lines.ts";
import { styleFor } from "./style.ts";

const RUN = {
  style: styleFor({ colour: false }),
  beganAtMs: 1_000,
  runPath: "global/s/survey",
  stepBeganAtMs: new Map([["global/s/survey/count", 1_500]]),
};

const event = (event: MessageInitShape<typeof RunEventSchema>["event"], atMs = 2_500): RunEvent =>
  create(RunEventSchema, { wallTimeMs: BigInt(atMs), ...(event === undefined ? {} : { event }) });

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const step = { allocationId: "id:count", path: "global/s/survey/count" };
const usage = { credits: 12n };

test("the beginning of a run and of a step", () => {
  const run = view({ path: "global/s/survey", limit: 40_000 });
  expect(eventLines(event({ case: "started", value: { run } }, 1_000), RUN)).toEqual([
    "   0.00s  ▶ survey started with 40,000 credits",
  ]);
  expect(eventLines(event({ case: "stepStarted", value: step }), RUN)).toEqual(["   1.50s  ▶ count"]);
});

test("a step that went well: what it used, how long it took, what it said", () => {
  const stdout = bytes("1\n2\n\n3\n4\n5\n6\n7\n8\n");
  const value = { ...step, usage, outcome: WorkOutcome.SUCCEEDED, exitCode: 0, output: { stdout } };
  expect(eventLines(event({ case: "stepFinished", value }), RUN)).toEqual([
    "   1.50s  ✔ count (12 credits, 1 s)",
    ...["1", "2", "3", "4", "5", "… 3 more lines"].map((line) => `          ${line}`),
  ]);
});

test("a step that failed: its exit code, why, and the end of what it complained about", () => {
  const output = { stdout: bytes("fine\n"), stderr: bytes("a\nb\nc\nd\ne\nf\nworse\u001b[0m\n") };
  const error = { message: "exit code 3" };
  const value = { ...step, usage, outcome: WorkOutcome.FAILED, exitCode: 3, error, output };
  const lines = eventLines(event({ case: "stepFinished", value }), RUN);
  expect(lines[0]).toBe("   1.50s  ✖ count failed (12 credits, 1 s, exit code 3): exit code 3");
  expect(lines).toHaveLength(7);
  expect(lines.at(-1)).toBe("          worse\\u{1b}[0m");
});

test("a step that its budget stopped: why, and its last words", () => {
  const value = {
    ...step,
    usage,
    outcome: WorkOutcome.STOPPED,
    error: { message: "no budget left" },
    output: { stdout: bytes("a\nb\n") },
  };
  expect(eventLines(event({ case: "stepFinished", value }), RUN)).toEqual([
    "   1.50s  ■ count stopped (12 credits, 1 s): no budget left",
    "          b",
  ]);
});

test("what only gathers other steps is told when it does not end well", () => {
  const path = "global/s/survey/study";
  const finished = (outcome: WorkOutcome) => eventLines(event({ case: "stepFinished", value: { path, outcome } }), RUN);
  expect(finished(WorkOutcome.SUCCEEDED)).toEqual([]);
  expect(finished(WorkOutcome.FAILED)).toEqual(["   1.50s  ✖ study failed"]);
  expect(finished(WorkOutcome.SKIPPED)).toEqual(["   1.50s  ○ study skipped"]);
});

test("a worker is told where and with what to attach", () => {
  const value = {
    path: "global/s/survey/ask",
    allocationId: "0198",
    token: "t0ken",
    address: "127.0.0.1:7430",
    kind: "llm",
  };
  expect(eventLines(event({ case: "workerReady", value }), RUN)).toEqual([
    "   1.50s  ◆ ask waits for a worker of kind llm; attach it to MeterService with",
    "          address 127.0.0.1:7430  allocation 0198  token t0ken",
  ]);
});

test("a run that waits, and one that ends", () => {
  const conflict = { position: 3, expectedWaitMs: 2_000 };
  expect(eventLines(event({ case: "queued", value: { conflict } }), RUN)).toEqual([
    "   1.50s  waits for room: place 3, about 2 s",
  ]);
  expect(eventLines(event({ case: "queued", value: { conflict: { position: 3 } } }), RUN)).toEqual([
    "   1.50s  waits for room: place 3",
  ]);
  const reason = "browser is held by g/other";
  expect(eventLines(event({ case: "queued", value: { conflict, reason } }), RUN)).toEqual([
    "   1.50s  waits for room: place 3, about 2 s",
    "          browser is held by g/other",
  ]);
  const value = {
    outcome: WorkOutcome.FAILED,
    error: { message: "count failed" },
    run: view({ path: "global/s/survey" }),
  };
  expect(eventLines(event({ case: "finished", value }), RUN)).toEqual(["   1.50s  ✖ survey failed: count failed"]);
});

test("an event or outcome of a newer mesh is passed over", () => {
  expect(eventLines(event(undefined), RUN)).toEqual([]);
  expect(outcomeName(99 as WorkOutcome)).toBe("ended");
});

test("a budget that runs low says of whom, how far, and what is free", () => {
  const value = { path: "global/s", resource: "tool_calls", percent: 80, available: 1n, limit: 1_000n };
  expect(eventLines(event({ case: "lowBudget", value }), RUN)).toEqual([
    "   1.50s  ! 80% of the 1,000 tool calls of global/s are used, 1 are free",
  ]);
});
