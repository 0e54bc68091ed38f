import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { RunFinishedSchema, StepFinishedSchema } from "#gen/bursar/v1/run_pb.js";
import { LIMITS } from "#std";
import type { RoutineSpec, StepSpec } from "./document/swarm-document.ts";
import {
  runEndNote,
  runEndOf,
  runWorkNotes,
  runWorkOf,
  stepEndNote,
  stepEndOf,
  stepWorkNotes,
  stepWorkOf,
} from "./work-notes.ts";

const trace = { traceparent: "00-11111111111111111111111111111111-2222222222222222-01" };
const worker: StepSpec = {
  name: "agent",
  limits: { credits: 5 as never },
  onFailure: "continue",
  kind: "worker",
  onInterruption: "retry",
  worker: { kind: "llm", attachWithinMs: 7 },
};
const code: StepSpec = {
  name: "code",
  limits: {},
  onFailure: "fail",
  kind: "code",
  onInterruption: "fail",
  code: { command: ["x"], env: { A: "b" }, cwd: ".", stdin: new Uint8Array(3_000_000).fill(7) },
};
const routine: RoutineSpec = { name: "work", limits: { branches: 1 as never }, steps: [worker, code] };

describe("work", () => {
  test.each([
    { step: worker, runId: "run-1", trace },
    { step: code, runId: "run-1", trace: undefined },
  ])("of a step is read as it was written", (assignment) => {
    const notes = stepWorkNotes(assignment);
    for (const [, value] of notes) expect(value.length).toBeLessThanOrEqual(LIMITS.noteCharsMax);
    expect(stepWorkOf(new Map(notes))).toEqual(assignment);
  });

  test("of a run is read as it was written, also when it is too long for one note", () => {
    const notes = runWorkNotes({ routine, trace });
    expect(notes.length).toBeGreaterThan(1);
    expect(runWorkOf(new Map(notes))).toEqual({ routine, trace });
  });

  test("that is missing, cut off or cannot be understood reads as none", () => {
    const [first = ["", ""]] = runWorkNotes({ routine, trace });
    const wrong = Buffer.from([0x12, 0x01, 0x00]).toString("base64");
    for (const notes of [new Map(), new Map([first]), new Map([["work:0", wrong]]), new Map([["work:0", "!"]])]) {
      expect(runWorkOf(notes)).toBeUndefined();
      expect(stepWorkOf(notes)).toBeUndefined();
    }
  });
});

describe("an end", () => {
  test("of a step is kept without what it wrote", () => {
    const end = { allocationId: "a", outcome: 2, exitCode: 3, interrupted: true, error: { message: "why" } };
    const finished = create(StepFinishedSchema, { ...end, output: { stdout: new Uint8Array(100) } });
    expect(stepEndNote(finished)).toContain('"exitCode":3');
    expect(stepEndOf(stepEndNote(finished))).toEqual(create(StepFinishedSchema, end));
  });

  test("of a run is kept without its tree", () => {
    const finished = create(RunFinishedSchema, { outcome: 1, run: { name: "run" } });
    expect(runEndOf(runEndNote(finished))).toEqual(create(RunFinishedSchema, { outcome: 1 }));
  });

  test("of a newer release is read as far as it is known, and what is no end reads as none", () => {
    expect(stepEndOf('{"allocationId":"a","mood":"good"}')?.allocationId).toBe("a");
    for (const note of [undefined, "", "[]", "{"]) {
      expect(stepEndOf(note)).toBeUndefined();
      expect(runEndOf(note)).toBeUndefined();
    }
  });
});
