import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Amount, NOTHING, type OpenWish } from "#budget";
import { decodeCommit, encodeCommit } from "#codec";
import { openSqliteJournal } from "#journal";
import { LIMITS } from "#std";
import { systemClock, TierResourceManager } from "#tier";
import { WaitEnd, WaitedGrants } from "./waited-grants.ts";

let folder: string;
let loop: TierResourceManager;
let grants: WaitedGrants;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "bursar-waited-"));
  const codec = { encode: encodeCommit, decode: decodeCommit };
  const opened = openSqliteJournal({ path: join(folder, "j.db"), codec, tier: "coordination", journalId: "j" });
  const onFatal = (error: Error) => {
    throw error;
  };
  loop = new TierResourceManager({ opened, clock: systemClock, onFatal, checkInvariants: true });
  grants = new WaitedGrants(loop);
  const policy = { strategy: "QUEUE_AND_WAIT" } as const;
  await loop.ask({ type: "open_root", allocationId: "top", name: "top", limits: { credits: 10 as Amount }, policy });
});

afterEach(async () => {
  await loop.close();
  rmSync(folder, { recursive: true });
});

function wish(name: string, credits: number, requestId = name): OpenWish {
  const amount = credits as Amount;
  return {
    ...{ type: "open", caller: "c", requestId, allocationId: name, parentId: "top", name, kind: "swarm" },
    ...{ limits: { credits: amount }, min: { ...NOTHING, credits: amount }, policy: {}, pooled: [], byHolder: false },
    ...{ token: undefined, holder: undefined, leaseTtlMs: 0, waitMs: 60_000, priority: "NORMAL", weight: 1 },
    strategy: undefined,
  } as OpenWish;
}

const close = (allocationId: string) => loop.ask({ type: "close", allocationId, reason: "done" });
const waiting = () => loop.read(({ allocations }) => allocations.get("top")?.waiters.size);

test("an answer that comes in the batch in which the wait begins is not lost", async () => {
  await grants.ask(wish("first", 8));
  // Together: the second begins to wait, and has its turn at once.
  const [second] = await Promise.all([grants.ask(wish("second", 5)), close("first")]);
  expect(second.outcome).toMatchObject({ type: "queued" });
  expect(await second.later?.told()).toMatchObject({ type: "opened", allocationId: "second" });
});

test("who makes the same wish twice has the same answer to both", async () => {
  await grants.ask(wish("first", 8));
  const [one, two] = await Promise.all([grants.ask(wish("second", 5)), grants.ask(wish("second", 5))]);
  const ended = grants.endOf(wish("second", 5));
  await close("first");
  const answers = await Promise.all([one.later?.told(), two.later?.told(), ended.told()]);
  expect(answers).toEqual(Array(3).fill(expect.objectContaining({ type: "opened", allocationId: "second" })));
});

test("a wait ends with the call of who waits, but not while another makes the same wish", async () => {
  await grants.ask(wish("first", 8));
  const [gone, stays] = [new AbortController(), new AbortController()];
  const answers = [grants.await(wish("second", 5), gone.signal), grants.await(wish("second", 5), stays.signal)];
  expect(await waiting()).toBe(1);
  gone.abort();
  expect(await waiting()).toBe(1);
  stays.abort();
  const refused = { type: "refused", refusal: { code: "withdrawn", path: "top/second" } };
  expect(await Promise.all(answers)).toMatchObject([refused, refused]);
  const late = AbortSignal.abort();
  expect(await grants.await(wish("third", 5), late)).toMatchObject({ refusal: { code: "withdrawn" } });
  expect(await grants.await(wish("fourth", 2), late)).toMatchObject({ type: "opened" });
  expect(await waiting()).toBe(0);
});

test("the end of a wait is told once, to who listens before and to who listens after", async () => {
  const end = new WaitEnd();
  const told: string[] = [];
  end.onTold(({ type }) => told.push(`before: ${type}`));
  const promised = end.told();
  end.tell({ type: "done", changed: true });
  end.onTold(({ type }) => told.push(`after: ${type}`));
  end.tell({ type: "refused", refusal: { code: "withdrawn", path: "top/second" } });
  expect(told).toEqual(["before: done", "after: done"]);
  expect(await promised).toMatchObject({ type: "done" });
  expect(await end.told()).toMatchObject({ type: "done" });
});

test("the end is told before anything that came with it is acted on", async () => {
  await grants.ask(wish("first", 8));
  const { later } = await grants.ask(wish("second", 5));
  const order: string[] = [];
  loop.subscribe((message) => {
    if (message.type === "closed") void Promise.resolve().then(() => order.push("first has ended"));
  });
  later?.onTold(() => order.push("second goes on"));
  await close("first");
  expect(order).toEqual(["second goes on", "first has ended"]);
});

test("one that is called back is told so, and its next wish waits anew", async () => {
  await grants.ask(wish("first", 8));
  const { later } = await grants.ask(wish("second", 5));
  grants.cancel(wish("second", 5));
  expect(await later?.told()).toMatchObject({ refusal: { code: "withdrawn" } });
  const again = await grants.ask(wish("second", 5));
  expect(again.outcome).toMatchObject({ type: "queued" });
  await close("first");
  expect(await again.later?.told()).toMatchObject({ type: "opened", allocationId: "second" });
});

test("a wish that is made as a wait of the same request ends waits for its own end", async () => {
  await grants.ask(wish("first", 8));
  const { later } = await grants.ask(wish("second", 5));
  // Together: the end of the one wait and the beginning of the other, for which two ask.
  grants.cancel(wish("second", 5));
  const again = { ...wish("second", 5), allocationId: "again" };
  const [one, two] = await Promise.all([grants.ask(again), grants.ask(wish("second", 5))]);
  expect(await later?.told()).toMatchObject({ refusal: { code: "withdrawn" } });
  expect([one.outcome, two.outcome]).toMatchObject([{ type: "queued" }, { type: "queued" }]);
  await close("first");
  const ends = await Promise.all([one.later?.told(), two.later?.told()]);
  expect(ends).toEqual(Array(2).fill(expect.objectContaining({ type: "opened", allocationId: "again" })));
  expect(grants.size).toBe(0);
});

test("two waits of a request that end in the batch in which the second begins end apart", async () => {
  await grants.ask(wish("first", 8));
  const { later } = await grants.ask(wish("second", 5));
  grants.cancel(wish("second", 5));
  const [again] = await Promise.all([grants.ask({ ...wish("second", 5), allocationId: "again" }), close("first")]);
  expect(await later?.told()).toMatchObject({ refusal: { code: "withdrawn" } });
  expect(await again.later?.told()).toMatchObject({ type: "opened", allocationId: "again" });
  expect(grants.size).toBe(0);
});

test("the end of its node ends a wait", async () => {
  await grants.ask(wish("first", 8));
  const { later } = await grants.ask(wish("second", 5));
  await close("top");
  expect(await later?.told()).toMatchObject({ type: "refused", refusal: { code: "closing" } });
  expect(grants.size).toBe(0);
});

test("only those that wait are listened for", async () => {
  await grants.ask(wish("first", 8));
  await grants.ask({ ...wish("denied", 5), waitMs: 0 });
  const { later } = await grants.ask(wish("second", 5));
  await grants.ask(wish("second", 5));
  expect(grants.size).toBe(1);
  await close("first");
  await later?.told();
  expect(grants.size).toBe(0);
  // Also where the loop takes no more.
  for (let i = 0; i < LIMITS.commandQueueMax; i += 1) loop.submit({ type: "tick" }, () => undefined);
  const { outcome } = await grants.ask(wish("late", 1));
  expect(outcome).toMatchObject({ refusal: { code: "too_many" } });
  expect(grants.size).toBe(0);
});
