/** What a daemon makes of the steps that it finds in its journal. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Amount, amountsOf } from "#budget";
import { decodeCommit, encodeCommit, type StepSpec, stepEndNote, stepWorkNotes } from "#codec";
import { ExecutionErrorType } from "#gen/bursar/v1/errors_pb.js";
import { StepFinishedSchema, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import { openSqliteJournal } from "#journal";
import { systemClock, systemIds, TierResourceManager } from "#tier";
import { END_NOTE, endOfNode } from "./step-end.ts";
import { type FoundStep, foundSteps } from "./step-recovery.ts";

const COMMON = { name: "step", limits: {}, onFailure: "fail" } as const;
const worker = (onInterruption: "continue" | "retry" | "fail"): StepSpec => ({
  ...COMMON,
  kind: "worker",
  onInterruption,
  worker: { kind: "llm", attachWithinMs: 9 },
});
const CODE: StepSpec = {
  ...COMMON,
  kind: "code",
  onInterruption: "retry",
  code: { command: ["x"], env: {}, cwd: "." },
};

let folder: string;
let loop: TierResourceManager;

function open(): void {
  const codec = { encode: encodeCommit, decode: decodeCommit };
  const opened = openSqliteJournal({ path: join(folder, "j.db"), codec, tier: "execution", journalId: "j" });
  const onFatal = (error: Error) => {
    throw error;
  };
  loop = new TierResourceManager({ opened, clock: systemClock, onFatal, checkInvariants: true });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bursar-step-recovery-"));
  open();
});

afterEach(async () => {
  await loop.close();
  rmSync(folder, { recursive: true });
});

/** Takes a grant; without a step as an earlier release did, which wrote down no work. */
async function take(allocationId: string, step?: StepSpec): Promise<void> {
  const path = `global/run/${allocationId}`;
  const limits = { credits: 100 as Amount };
  const held = { allocationId, path, depth: 2, name: allocationId, kind: "step", limits, pooled: [] } as const;
  const lease = { token: "secret", epoch: 1, leaseTtlMs: 60_000, leaseEndsAtMs: loop.nowMs() + 60_000 };
  const rank = { priority: "NORMAL", weight: 1, policy: {}, peer: "parent", deadlineLeftMs: undefined } as const;
  const notes = step ? stepWorkNotes({ step, runId: "run", trace: undefined }) : [];
  await loop.ask({ type: "receive_grant", ...held, ...lease, ...rank, notes });
}

async function reserve(allocationId: string): Promise<void> {
  const what = { what: "tool", name: "t", ttlMs: 60_000, requestId: "1", holdId: `hold of ${allocationId}` } as const;
  const wanted = amountsOf({ credits: 5 as Amount });
  await loop.ask({ type: "reserve", allocationId, ...what, wanted, min: wanted });
}

/** What the next life on the same journal finds. */
async function found(): Promise<ReadonlyMap<string, FoundStep>> {
  await loop.close();
  open();
  const steps = await loop.read((state) => foundSteps(state, systemIds));
  return new Map(steps.map((step) => [step.facts.allocationId, step]));
}

it("lets worker steps go on that may, and ends all others as interrupted", async () => {
  await take("goes-on", worker("continue"));
  await take("again", worker("retry"));
  await take("fails", worker("fail"));
  await take("code", CODE);
  await take("unknown");
  const steps = await found();
  expect(steps.get("goes-on")).toMatchObject({
    facts: { token: "secret", epoch: 1, path: "global/run/goes-on" },
    next: { type: "go_on", worker: { worker: { kind: "llm", attachWithinMs: 9 } } },
  });
  for (const id of ["again", "fails", "code", "unknown"]) {
    const finished = { allocationId: id, interrupted: true, outcome: WorkOutcome.FAILED };
    expect(steps.get(id)?.next).toMatchObject({ type: "end", finished });
  }
});

it("keeps how a step had ended, and takes one that was being stopped for stopped", async () => {
  await take("ended", CODE);
  await reserve("ended");
  const end = create(StepFinishedSchema, { allocationId: "ended", outcome: WorkOutcome.SUCCEEDED, exitCode: 0 });
  await loop.ask({ type: "attach_note", allocationId: "ended", key: END_NOTE, value: stepEndNote(end) });
  await loop.ask({ type: "close", allocationId: "ended", reason: "succeeded" });
  await take("stopping", worker("continue"));
  await reserve("stopping");
  await loop.ask({ type: "close", allocationId: "stopping", reason: "enough" });
  const steps = await found();
  expect(steps.get("ended")?.next).toMatchObject({ finished: { outcome: WorkOutcome.SUCCEEDED, interrupted: false } });
  const stopped = { outcome: WorkOutcome.STOPPED, interrupted: false, error: { message: "stopped: enough" } };
  expect(steps.get("stopping")?.next).toMatchObject({ finished: stopped });
});

it("says of a closed step how it ended, and that it was stopped when nothing was written down", async () => {
  await take("ended", CODE);
  const end = create(StepFinishedSchema, { allocationId: "ended", outcome: WorkOutcome.FAILED, exitCode: 3 });
  await loop.ask({ type: "attach_note", allocationId: "ended", key: END_NOTE, value: stepEndNote(end) });
  await loop.ask({ type: "close", allocationId: "ended", reason: "failed" });
  await take("closed", CODE);
  await loop.ask({ type: "close", allocationId: "closed", reason: "its deadline has passed" });
  expect(await found()).toEqual(new Map());
  const endOf = (id: string) =>
    loop.read((state) => {
      const node = state.allocations.get(id);
      return node && endOfNode(node, systemIds);
    });
  expect(await endOf("ended")).toMatchObject({ outcome: WorkOutcome.FAILED, exitCode: 3 });
  expect(await endOf("closed")).toMatchObject({
    outcome: WorkOutcome.STOPPED,
    error: { type: ExecutionErrorType.TIMEOUT },
  });
});
