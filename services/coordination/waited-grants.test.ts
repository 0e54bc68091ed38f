import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Amount, NOTHING, type OpenWish } from "#budget";
import { decodeCommit, encodeCommit } from "#codec";
import { openSqliteJournal } from "#journal";
import { systemClock, TierResourceManager } from "#tier";
import { WaitedGrants } from "./waited-grants.ts";

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
  expect(await second.later).toMatchObject({ type: "opened", allocationId: "second" });
});

test("who makes the same wish twice has the same answer to both", async () => {
  await grants.ask(wish("first", 8));
  const [one, two] = await Promise.all([grants.ask(wish("second", 5)), grants.ask(wish("second", 5))]);
  const ended = grants.endOf(wish("second", 5));
  await close("first");
  const answers = await Promise.all([one.later, two.later, ended]);
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
