import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Amount, amountsOf, NO_USAGE } from "#budget";
import { decodeCommit, encodeCommit } from "#codec";
import { executionError, FaultError, RefusalError, type RefusalReason } from "#errors";
import { openSqliteJournal } from "#journal";
import type { Clock } from "#ports";
import { Feed } from "#rpc";
import { LIMITS } from "#std";
import { type ChildDaemon, TierResourceManager } from "#tier";
import { Closings } from "./closings.ts";
import { type DelegateOptions, delegateWork } from "./delegate-work.ts";

/** Its timers run when the test says so; promises and the journal go on by themselves. */
class HandClock implements Clock {
  readonly #timers = new Set<{ readonly delayMs: number; readonly action: () => void }>();
  monotonicMs = () => 0;
  wallMs = () => 0;
  soon = (action: () => void): void => {
    setImmediate(action);
  };
  atOnce = this.soon;
  after = (delayMs: number, action: () => void) => {
    const timer = { delayMs, action };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };
  /** How many timers of this length are set. */
  waiting(delayMs: number): number {
    return [...this.#timers].filter((timer) => timer.delayMs === delayMs).length;
  }
  /** Runs the timers of at most this length until `done`. */
  async until(done: () => boolean, delayMsMax: number): Promise<void> {
    for (let turns = 0; !done(); turns += 1) {
      if (turns > 10_000) throw new Error("what the test waits for does not come");
      for (const timer of this.#timers) {
        if (timer.delayMs > delayMsMax || !this.#timers.delete(timer)) continue;
        timer.action();
      }
      await nextTurn();
    }
  }
}

type Answer = RefusalReason | "lost" | readonly (number | "last" | RefusalError | FaultError)[];

const HOLDER = "execution-1";
const child = (incarnation: string): ChildDaemon => ({
  instance: HOLDER,
  incarnation,
  address: `at:${incarnation}`,
  tier: "execution",
  capacity: 0,
});

let folder: string;
let clock: HandClock;
let loop: TierResourceManager;
/** Who is there now. */
let there: ChildDaemon | undefined;
/** What was asked, in order, and what is answered to the next ones. */
let asked: string[];
let answers: Answer[];
let heard: number[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "bursar-delegate-"));
  const codec = { encode: encodeCommit, decode: decodeCommit };
  const opened = openSqliteJournal({ path: join(folder, "j.db"), codec, tier: "process", journalId: "j" });
  clock = new HandClock();
  loop = new TierResourceManager({
    opened,
    clock,
    onFatal: (error) => {
      throw error;
    },
    checkInvariants: true,
  });
  there = child("first");
  asked = [];
  answers = [];
  heard = [];
  const credits = 100 as Amount;
  await loop.ask({ type: "open_root", allocationId: "root", name: "acme", limits: { credits }, policy: {} });
  const wish = {
    type: "open",
    caller: "test",
    requestId: "1",
    allocationId: "step",
    token: "t",
    parentId: "root",
  } as const;
  const rank = { name: "step", kind: "step", priority: "NORMAL", weight: 1, policy: {}, strategy: undefined } as const;
  const terms = { holder: HOLDER, byHolder: false, leaseTtlMs: 15_000, waitMs: 0, pooled: [] } as const;
  const limits = { limits: { credits }, min: amountsOf({ credits }) };
  await loop.ask({ type: "grant", wish: { ...wish, ...rank, ...terms, ...limits } });
});

afterEach(async () => {
  await loop.close();
  rmSync(folder, { recursive: true });
});

function streamOf(answer: Answer): Feed<number | "last"> {
  const feed = new Feed<number | "last">();
  setImmediate(() => {
    if (answer === "lost") feed.end(new Error("the stream was lost"));
    else if (typeof answer === "string") feed.end(new RefusalError({ reason: answer, message: "no" }));
    else {
      for (const event of answer) event instanceof Error ? feed.end(event) : feed.push(event);
      feed.end();
    }
  });
  return feed;
}

function delegate(changes: Partial<DelegateOptions<number | "last">> = {}) {
  return delegateWork<number | "last">({
    base: { loop, clock, ids: { newId: () => "id", newToken: () => "token", fraction: () => 0.5 } },
    closings: new Closings(loop, clock),
    downlink: { child: (instance) => (there?.instance === instance ? there : undefined) },
    grant: { allocationId: "step", epoch: 1 },
    holder: HOLDER,
    handsOver: true,
    open: ({ incarnation }, how) => {
      asked.push(`${how} ${incarnation}`);
      return streamOf(answers.shift() ?? "lost");
    },
    sequenceOf: (event) => (event === "last" ? 1_000 : event),
    onEvent: (event) => {
      if (event !== "last") heard.push(event);
    },
    isLast: (event) => event === "last",
    ...changes,
  });
}

const close = () =>
  loop.ask({
    type: "report_usage",
    caller: HOLDER,
    allocationId: "step",
    epoch: 1,
    sequence: 1,
    usage: { ...NO_USAGE, credits: 40 as Amount },
    final: true,
  });

/** Lets it go on until it is settled; pauses between attempts pass, the wait for the last event does not unless `patience` is over. */
async function settled<T>(work: Promise<T>, patience: number = LIMITS.redialDelayMaxMs): Promise<T> {
  let over = false;
  void work.then(
    () => {
      over = true;
    },
    () => {
      over = true;
    },
  );
  await clock.until(() => over, patience);
  return work;
}

it("joins what it has heard of over lost streams, tells each event once, and ends when the books are final", async () => {
  answers = [[1, 2], "lost", [1, 2, 3], [1, 2, 3, "last"]];
  const work = delegate();
  await clock.until(() => asked.length === 4, LIMITS.redialDelayMaxMs);
  await close();
  expect(await settled(work)).toBe("told");
  expect(asked).toEqual(["hand_over first", "join first", "join first", "join first"]);
  expect(heard).toEqual([1, 2, 3]);
});

it("leaves no timer behind, whether the last word or the close comes first", async () => {
  const lastEventWaitMs = 123_456;
  answers = [["last"]];
  const toldFirst = delegate({ lastEventWaitMs });
  await clock.until(() => asked.length === 1, LIMITS.redialDelayMaxMs);
  await nextTurn();
  await close();
  expect(await settled(toldFirst)).toBe("told");
  await nextTurn();
  expect(clock.waiting(lastEventWaitMs)).toBe(0);
  const last = new Feed<number | "last">();
  const closedFirst = delegate({ lastEventWaitMs, open: () => last });
  await clock.until(() => clock.waiting(lastEventWaitMs) === 1, LIMITS.redialDelayMaxMs);
  last.push("last");
  expect(await settled(closedFirst)).toBe("told");
  expect(clock.waiting(lastEventWaitMs)).toBe(0);
});

it("waits for a holder that is away, hands nothing over to a later life of it, and says when that life knows nothing", async () => {
  answers = ["lost", "NOT_FOUND"];
  const work = delegate();
  await clock.until(() => asked.length === 1, LIMITS.redialDelayMaxMs);
  there = undefined;
  await clock.until(() => true, LIMITS.redialDelayMaxMs);
  there = child("second");
  await clock.until(() => asked.length === 2, LIMITS.redialDelayMaxMs);
  await close();
  expect(await settled(work)).toBe("unknown");
  expect(asked).toEqual(["hand_over first", "join second"]);
});

it("hands a grant that was made while nobody was there over to the first life that is", async () => {
  there = undefined;
  answers = ["lost", "NOT_FOUND"];
  const work = delegate();
  there = child("second");
  await clock.until(() => asked.length === 1, LIMITS.redialDelayMaxMs);
  there = child("third");
  // Its journal does not know it, so nothing of it was spent and nobody needs to say so.
  expect(await settled(work)).toBe("unknown");
  expect(asked).toEqual(["hand_over second", "join third"]);
  expect(await loop.read((state) => state.allocations.get("root")?.books.credits)).toMatchObject({ available: 100 });
});

it("hands nothing over that the first hello has sent back", async () => {
  there = undefined;
  answers = ["NOT_FOUND"];
  const work = delegate();
  await close();
  there = child("second");
  expect(await settled(work)).toBe("unknown");
  expect(asked).toEqual(["join second"]);
});

it("hands over again to a daemon that could not take it yet", async () => {
  answers = ["NOT_WELCOMED", "QUEUE_FULL", "STATE_FORBIDS", ["last"]];
  const work = delegate();
  await clock.until(() => asked.length === 4, LIMITS.redialDelayMaxMs);
  await close();
  expect(await settled(work)).toBe("told");
  expect(asked).toEqual(Array.from({ length: 4 }, () => "hand_over first"));
});

it("gives the whole budget back when the handover is refused", async () => {
  answers = ["NOT_WELCOMED", "DRAINING"];
  await expect(settled(delegate())).rejects.toMatchObject({ refusal: { reason: "DRAINING" } });
  expect(await loop.read((state) => state.allocations.get("root")?.books.credits.available)).toBe(100);
});

it("takes no refusal as proof once a handover may have been taken, and none of a join but that it is not known", async () => {
  answers = ["lost", "DRAINING", "INVALID_ARGUMENT", ["last"]];
  const work = delegate();
  await clock.until(() => asked.length === 4, LIMITS.redialDelayMaxMs);
  await close();
  expect(await settled(work)).toBe("told");
  answers = ["DRAINING", "NOT_FOUND"];
  expect(await settled(delegate({ handsOver: false }))).toBe("unknown");
  expect(asked.slice(4)).toEqual(["join first", "join first"]);
});

it("gives nothing back for a refusal of what was heard of, and joins it", async () => {
  answers = [
    [1, new RefusalError({ reason: "READER_TOO_SLOW", message: "slow" })],
    [1, 2, "last"],
  ];
  const work = delegate();
  await clock.until(() => asked.length === 2, LIMITS.redialDelayMaxMs);
  expect(await loop.read((state) => state.allocations.get("step")?.state)).toBe("open");
  await close();
  expect(await settled(work)).toBe("told");
  expect(asked).toEqual(["hand_over first", "join first"]);
  expect(await loop.read((state) => state.allocations.get("root")?.books.credits)).toMatchObject({ spent: 40 });
});

it("fails with the fault of its holder once the books are final, when the holder says nothing else", async () => {
  const message = "a fault of the daemon";
  const fault = new FaultError(
    executionError({ id: "f", type: "FATAL_ERROR", reach: "one", message, tier: "execution", allocationPath: "acme" }),
  );
  answers = [[1, fault]];
  const work = delegate();
  await clock.until(() => asked.length > 1, LIMITS.redialDelayMaxMs);
  await close();
  await expect(settled(work, LIMITS.lastEventWaitMs)).rejects.toThrow(message);
  expect(await loop.read((state) => state.allocations.get("root")?.books.credits)).toMatchObject({ spent: 40 });
});

it("ends silent when the allocation is closed and its holder stays away for as long as it may", async () => {
  there = undefined;
  const work = delegate();
  await close();
  expect(await settled(work, LIMITS.lastEventWaitMs)).toBe("silent");
  expect(asked).toEqual([]);
});
