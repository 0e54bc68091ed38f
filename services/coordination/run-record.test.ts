/** When a run that came to nothing may be begun anew: only where no daemon has ever taken it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Amount, amountsOf, NO_USAGE } from "#budget";
import { decodeCommit, encodeCommit } from "#codec";
import { Closings } from "#daemon";
import { RefusalError } from "#errors";
import { type RunEvent, RunEventSchema } from "#gen/bursar/v1/run_pb.js";
import { openSqliteJournal } from "#journal";
import type { Clock } from "#ports";
import { Feed } from "#rpc";
import { LIMITS } from "#std";
import { systemClock, TierResourceManager } from "#tier";
import type { RunWork } from "./run-order.ts";
import { RunRecord } from "./run-record.ts";
import type { SwarmParts } from "./swarm-parts.ts";

const HOLDER = "process-1";

/** Pauses take no time; nobody waits for a last event. */
const clock: Clock = {
  ...systemClock,
  after: (delayMs, action) => {
    const pause = delayMs > LIMITS.redialDelayMaxMs ? undefined : setImmediate(action);
    return () => clearImmediate(pause);
  },
};

let folder: string;
let loop: TierResourceManager;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "bursar-run-"));
  const codec = { encode: encodeCommit, decode: decodeCommit };
  const opened = openSqliteJournal({ path: join(folder, "j.db"), codec, tier: "coordination", journalId: "j" });
  const onFatal = (error: Error) => {
    throw error;
  };
  loop = new TierResourceManager({ opened, clock: systemClock, onFatal, checkInvariants: true });
  await loop.ask({ type: "open_root", allocationId: "swarm", name: "s", limits: {}, policy: {} });
});

afterEach(async () => {
  await loop.close();
  rmSync(folder, { recursive: true });
});

/** A run that is handed to a daemon of which another life answers that it knows nothing; before that it is told `first`. */
async function follow(meanwhile: () => Promise<unknown>, first: readonly RunEvent[] = []) {
  const limits = { credits: 100 as Amount };
  const place = { allocationId: "run", parentId: "swarm", name: "work", kind: "run", limits } as const;
  const terms = { policy: {}, pooled: [], byHolder: false, token: "t", holder: HOLDER, leaseTtlMs: 15_000 } as const;
  const rank = { waitMs: 0, priority: "NORMAL", weight: 1, strategy: undefined, min: amountsOf(limits) } as const;
  const wish = { type: "open", caller: "c", requestId: "r", ...place, ...terms, ...rank } as const;
  expect(await loop.ask({ type: "grant", wish })).toMatchObject({ type: "opened" });
  await meanwhile();
  const told = [...first];
  let lives = 0;
  const isTold = () => told.length > 0;
  const parts = {
    base: { loop, clock, ids: { newId: () => "id", newToken: () => "token", fraction: () => 0.5 } },
    closings: new Closings(loop, clock),
    downlink: {
      child: () => {
        lives += 1;
        return { instance: HOLDER, incarnation: lives === 1 || isTold() ? "first" : "second" };
      },
    },
    lines: {
      follow: () => {
        const feed = new Feed<RunEvent>();
        const isFirst = isTold();
        for (const event of told.splice(0)) feed.push(event);
        feed.end(isFirst ? new Error("the stream was lost") : new RefusalError({ reason: "NOT_FOUND", message: "no" }));
        return feed;
      },
    },
    trees: { keep: () => undefined },
  } as unknown as SwarmParts;
  const record = new RunRecord("run", 1, parts);
  const grant = { ...place, path: "s/work", depth: 1, grantedTotal: amountsOf(limits), epoch: 1, ...terms, ...rank };
  const routine = { name: "work", limits, steps: [] };
  const work = { type: "hand_over", grant, child: { instance: HOLDER }, routine, trace: undefined };
  return { record, end: await record.follow(work as unknown as RunWork) };
}

const outcomeOf = ({ feed }: RunRecord) =>
  feed.ended ? [...feed.follow().takeAll()].map(({ event }) => event.case) : "goes on";

test("one that no daemon has taken may be, and so often at most", async () => {
  const { record, end } = await follow(() => Promise.resolve());
  expect(end).toMatchObject({ why: "untaken" });
  expect(outcomeOf(record)).toBe("goes on");
  const times = Array.from({ length: LIMITS.recoveryAttemptsMax }, () => record.mayBeginAnew());
  expect(times).toEqual([...times.slice(1).map(() => true), false]);
});

function useSomething(): Promise<unknown> {
  const usage = { ...NO_USAGE, credits: 1 as Amount };
  const report = { caller: HOLDER, allocationId: "run", epoch: 1, sequence: 1, usage, final: false } as const;
  return loop.ask({ type: "report_usage", ...report });
}

const close = (): Promise<unknown> => loop.ask({ type: "close", allocationId: "run", reason: "enough" });
const nothing = (): Promise<unknown> => Promise.resolve();
const started = create(RunEventSchema, { sequence: 1n, event: { case: "started", value: {} } });

test.each([
  ["somebody has closed", close, []],
  ["has used something", useSomething, []],
  ["has begun", nothing, [started]],
] as const)("but not one that %s", async (_, meanwhile, first) => {
  const { record, end } = await follow(meanwhile, first);
  expect(end).toBeUndefined();
  expect(outcomeOf(record)).toContain("finished");
  const known = await loop.read(({ allocations }) => allocations.get("run"));
  expect(known).toMatchObject({ state: "closed" });
  expect(known?.notes.get("outcome")).toBe("stopped");
});
