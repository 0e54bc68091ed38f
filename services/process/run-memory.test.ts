/** What a run writes down, read back by the next life of the daemon on the same journal. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Amount, amountsOf, NO_USAGE } from "#budget";
import { decodeCommit, encodeCommit, type RoutineSpec, runEndNote, runWorkNotes } from "#codec";
import { RunFinishedSchema, StepFinishedSchema, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import { openSqliteJournal } from "#journal";
import { systemClock, TierResourceManager } from "#tier";
import { END_NOTE, type FoundRun, foundRuns } from "./run-facts.ts";
import { RunMemory } from "./run-memory.ts";

const PATH = "global/swarm/run";
const LIMITS_OF_RUN = { credits: 100 as Amount, branches: 5 as Amount };
const RANK = { priority: "HIGH", weight: 1, policy: {} } as const;
const WORKER = { kind: "worker", worker: { kind: "", attachWithinMs: 1 }, onInterruption: "continue" } as const;
const routine: RoutineSpec = {
  name: "run",
  limits: {},
  steps: [{ name: "one", limits: {}, onFailure: "fail", ...WORKER }],
};

let folder: string;
let loop: TierResourceManager;
const log = { info: () => undefined, warn: () => expect.unreachable("nothing is refused"), error: () => undefined };

function open(): void {
  const codec = { encode: encodeCommit, decode: decodeCommit };
  const opened = openSqliteJournal({ path: join(folder, "j.db"), codec, tier: "process", journalId: "j" });
  const onFatal = (error: Error) => {
    throw error;
  };
  loop = new TierResourceManager({ opened, clock: systemClock, onFatal, checkInvariants: true });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "bursar-run-memory-"));
  open();
  const kind = "run" as const;
  const held = { allocationId: "run", path: PATH, depth: 2, name: "run", kind, limits: LIMITS_OF_RUN, pooled: [] };
  const lease = { token: undefined, epoch: 1, leaseTtlMs: 60_000, leaseEndsAtMs: loop.nowMs() + 60_000 };
  const notes = runWorkNotes({ routine, trace: undefined });
  await loop.ask({
    type: "receive_grant",
    ...held,
    ...RANK,
    ...lease,
    peer: "parent",
    deadlineLeftMs: undefined,
    notes,
  });
});

afterEach(async () => {
  await loop.close();
  rmSync(folder, { recursive: true });
});

async function carve(allocationId: string, parentId: string, holder: string | undefined): Promise<void> {
  const name = allocationId.replace(/-\d$/, "");
  const wish = { type: "open", caller: "run:run", requestId: allocationId, allocationId, parentId, name } as const;
  const terms = { holder, token: holder && "t", byHolder: false, leaseTtlMs: 15_000, waitMs: 0 };
  const slots = (holder === undefined ? 1 : 0) as Amount;
  const limits = { limits: { credits: 10 as Amount, branches: slots }, min: amountsOf({}), pooled: [] };
  const kind = holder === undefined ? "branch" : "step";
  const whole = { ...wish, ...terms, ...limits, ...RANK, kind, strategy: undefined } as const;
  expect(await loop.ask({ type: "grant", wish: whole })).toMatchObject({ type: "opened" });
}

const memoryOf = (run?: FoundRun) =>
  new RunMemory({ base: { loop, log }, runId: "run", path: PATH, found: run?.found });

/** The next life on the same journal. */
async function again(): Promise<FoundRun | undefined> {
  await loop.close();
  open();
  await loop.ask({ type: "renew_lease", allocationId: "run", epoch: 1, endsAtMs: loop.nowMs() + 60_000 });
  return (await loop.read(foundRuns))[0];
}

it("finds a run with its routine, how its steps ended, and what is open below it", async () => {
  await carve("side", "run", undefined);
  await carve("two", "side", "execution-1");
  await carve("three", "run", "execution-1");
  const memory = memoryOf();
  const end = { allocationId: "a", outcome: WorkOutcome.FAILED, exitCode: 3 };
  memory.keepEnd(`${PATH}/one`, create(StepFinishedSchema, { ...end, path: `${PATH}/one` }));
  await loop.ask({ type: "close", allocationId: "three", reason: "succeeded" });

  const found = await again();
  expect(found).toMatchObject({ routine, closingReason: undefined, end: undefined });
  expect(found?.facts).toMatchObject({ runId: "run", name: "run", path: PATH, priority: "HIGH" });
  expect(found?.facts.limits).toMatchObject(LIMITS_OF_RUN);
  const later = memoryOf(found);
  expect(later.ended(`${PATH}/one`)).toMatchObject(end);
  expect(later.ended(`${PATH}/three`)).toBeUndefined();
  expect(later.takeNode(`${PATH}/side`)).toMatchObject({ allocationId: "side", holder: undefined });
  expect(later.takeNode(`${PATH}/side/two`)).toMatchObject({ allocationId: "two", holder: "execution-1", epoch: 1 });
  // A node is one try's: whoever asks again makes a new one.
  expect(later.takeNode(`${PATH}/side/two`)).toBeUndefined();
});

it("takes a lost try for lost, and the one after it for the step's", async () => {
  await carve("step-1", "run", "execution-1");
  const memory = memoryOf();
  expect(memory.lostTries(`${PATH}/step`)).toBe(0);
  memory.keepLost(`${PATH}/step`, "step-1");
  expect(memory.lostTries(`${PATH}/step`)).toBe(1);
  const between = memoryOf(await again());
  expect(between.lostTries(`${PATH}/step`)).toBe(1);
  expect(between.takeNode(`${PATH}/step`)).toBeUndefined();
  await carve("step-2", "run", "execution-1");
  const after = memoryOf(await again());
  expect(after.takeNode(`${PATH}/step`)).toMatchObject({ allocationId: "step-2" });
  after.keepLost(`${PATH}/step`, "step-2");
  expect(memoryOf(await again()).lostTries(`${PATH}/step`)).toBe(2);
});

it("finds how a run ended that was not closed yet, and nothing of one that is closed", async () => {
  await carve("step-1", "run", "execution-1");
  const value = runEndNote(create(RunFinishedSchema, { outcome: WorkOutcome.SUCCEEDED }));
  await loop.ask({ type: "attach_note", allocationId: "run", key: END_NOTE, value });
  await loop.ask({ type: "close", allocationId: "run", reason: "succeeded" });
  expect(await again()).toMatchObject({ closingReason: "succeeded", end: { outcome: WorkOutcome.SUCCEEDED } });
  const account = {
    caller: "execution-1",
    allocationId: "step-1",
    epoch: 1,
    sequence: 1,
    usage: NO_USAGE,
    final: true,
  };
  await loop.ask({ type: "report_usage", ...account });
  expect(await again()).toBeUndefined();
});

it("writes nothing once it is silenced", async () => {
  const memory = memoryOf();
  memory.silence();
  memory.keepLost(`${PATH}/step`, "step-1");
  expect(memoryOf(await again()).lostTries(`${PATH}/step`)).toBe(0);
});
