/** Who watches decisions is told those of its subtree, and is left behind when it does not read; who asks why hears what is known here. */
import { beforeEach, expect, it } from "vitest";
import { type Amount, amountsOf, type Limits, type OpenWish, type Outcome } from "#budget";
import { RefusalError } from "#errors";
import { MemoryDisk } from "#journal";
import { LIMITS } from "#std";
import { systemClock, TierResourceManager } from "#tier";
import { type DecisionParts, watchDecisions } from "./watch-decisions.ts";
import { why } from "./why.ts";

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

let parts: DecisionParts;
let abort: AbortController;

beforeEach(async () => {
  const opened = new MemoryDisk({ journalId: "journal-1" }).open();
  const onFatal = (error: Error) => {
    throw error;
  };
  const loop = new TierResourceManager({ opened, clock: systemClock, onFatal });
  parts = { base: { loop, instance: "process-1", clock: systemClock, log, settings: { tier: "process" } } };
  abort = new AbortController();
  const limits = { credits: 1_000 } as Limits;
  await loop.ask({ type: "open_root", allocationId: "acme", name: "acme", limits, policy: {} });
  await open("acme", "left", 400);
  await open("acme", "right", 400);
});

function open(parentId: string, name: string, credits: number, more: Partial<OpenWish> = {}): Promise<Outcome> {
  return parts.base.loop.ask({
    type: "grant",
    wish: {
      type: "open",
      caller: "ann",
      requestId: `r-${name}`,
      allocationId: name,
      token: undefined,
      parentId,
      name,
      kind: "run",
      limits: { credits } as Limits,
      min: amountsOf({ credits: credits as Amount }),
      pooled: [],
      priority: "NORMAL",
      weight: 1,
      policy: {},
      byHolder: false,
      holder: undefined,
      leaseTtlMs: 0,
      waitMs: 0,
      strategy: undefined,
      ...more,
    },
  });
}

/** Begins to watch; the first answer says that watching has begun. */
async function watch(allocationId: string) {
  const watched = watchDecisions(parts, { allocationId, below: false }, abort.signal)[Symbol.asyncIterator]();
  expect((await watched.next()).value).toEqual({ subjectId: "", reason: "" });
  return watched;
}

it("a watched node tells of itself, of what is below it and of what is asked of it, and of nothing else", async () => {
  const watched = await watch("left");
  await open("right", "elsewhere", 1);
  await open("left", "below", 100);
  await open("left", "too-much", 301);
  await open("below", "deep", 1);
  await parts.base.loop.ask({ type: "close", allocationId: "left", reason: "over" });
  const paths: unknown[] = [];
  for (let n = 0; n < 4; n += 1) paths.push((await watched.next()).value?.decision?.path);
  expect(paths).toEqual(["acme/left/below", "acme/left/too-much", "acme/left/below/deep", "acme/left"]);
  await watched.return?.();
});

it("an unknown node is refused by name", async () => {
  const watched = watchDecisions(parts, { allocationId: "nobody", below: false }, abort.signal)[Symbol.asyncIterator]();
  await expect(watched.next()).rejects.toThrow("no allocation with id nobody is known here");
});

it("a reader that does not read is ended, and the daemon goes on", async () => {
  const watched = await watch("");
  for (let n = 0; n <= LIMITS.streamBacklogItemsMax; n += 1_024) {
    await Promise.all(Array.from({ length: 1_024 }, (_, at) => open("acme", `many-${n + at}`, 999)));
  }
  const failure = await watched.next().then(undefined, (error: unknown) => error);
  expect(failure instanceof RefusalError && failure.refusal.reason).toBe("READER_TOO_SLOW");
  expect((await open("acme", "after", 1)).type).toBe("opened");
}, 30_000);

it("why names the node by its id, its path or the end of it, and a refused one by its path", async () => {
  await open("left", "too-much", 401);
  const ask = async (subject: string) => {
    const [own] = await why({ ...parts, startedWallMs: 5 }, subject);
    return own;
  };
  for (const subject of ["left", "acme/left", "/acme/left/"]) {
    const known = await ask(subject);
    expect(known).toMatchObject({ tier: "process", instance: "process-1", allocationId: "left", path: "acme/left" });
    expect(known?.standing[0]).toMatch(/^open \(NORMAL\): 400 of 400 credits free/);
    expect(known?.decisions.map(({ path }) => path)).toEqual(["acme/left", "acme/left/too-much"]);
  }
  for (const subject of ["r-too-much", "left/too-much"]) {
    const known = await ask(subject);
    expect(known?.standing).toEqual([]);
    expect(known?.decisions).toMatchObject([
      { reason: expect.stringContaining("it can never fit"), conflict: { wanted: 401n, available: 400n } },
    ]);
  }
  expect(await ask("nobody")).toMatchObject({ standing: [], decisions: [], decisionsNoted: 3n, startedWallTimeMs: 5n });
});

it("what is held by a daemon that is not here is said to be so", async () => {
  const downlink = { children: () => [], child: () => undefined };
  await open("left", "held", 100, { holder: "execution-9", leaseTtlMs: 5_000 });
  const daemons = await why({ ...parts, downlink, startedWallMs: 5 }, "held");
  expect(daemons.slice(1)).toMatchObject([
    { tier: "execution", instance: "execution-9", failure: "it holds this, and is not connected now" },
  ]);
});
