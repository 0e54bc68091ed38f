import { copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Amount, amountsOf, type Limits, type OpenWish } from "#budget";
import { decodeCommit, encodeCommit } from "#codec";
import { openSqliteJournal } from "#journal";
import { systemClock, TierResourceManager } from "#tier";
import { EXIT } from "../exit-code.ts";
import { bursar, temporaryFolder } from "../testing/test-session.ts";

const codec = { encode: encodeCommit, decode: decodeCommit };

const credits = (amount: number): Limits => ({ credits: amount as Amount });

const grantOf = (allocationId: string, parentId: string, amount: number, more: Partial<OpenWish> = {}): OpenWish => ({
  type: "open",
  caller: "person",
  requestId: allocationId,
  allocationId,
  token: `token-of-${allocationId}`,
  parentId,
  name: allocationId,
  kind: "run",
  limits: credits(amount),
  min: amountsOf({ credits: amount as Amount }),
  priority: "NORMAL",
  weight: 1,
  policy: {},
  pooled: [],
  byHolder: false,
  holder: undefined,
  leaseTtlMs: 15_000,
  waitMs: 0,
  strategy: undefined,
  ...more,
});

function openLoop(path: string, tier: string): TierResourceManager {
  const opened = openSqliteJournal({ path, codec, tier, journalId: `journal-${tier}`, clock: systemClock });
  return new TierResourceManager({ opened, clock: systemClock, onFatal: (error) => expect.fail(error.message) });
}

/** An account with 1,000, a run of its own with a call in flight, and a run at another daemon. */
async function writeJournal(folder: string): Promise<string> {
  const path = join(folder, "coordination.sqlite");
  const loop = openLoop(path, "coordination");
  const account = { type: "open_root", allocationId: "a", name: "global", limits: credits(1_000), policy: {} } as const;
  await loop.ask(account);
  await loop.ask({ type: "grant", wish: grantOf("here", "a", 300) });
  await loop.ask({ type: "grant", wish: grantOf("there", "a", 100, { holder: "process-1" }) });
  const call = {
    requestId: "call",
    allocationId: "here",
    holdId: "h",
    what: "model",
    name: "m",
    ttlMs: 60_000,
  } as const;
  const wanted = amountsOf({ credits: 40 as Amount });
  await loop.ask({ type: "reserve", ...call, wanted, min: wanted });
  await loop.close();
  return path;
}

/** The child's side of the run `there`. */
async function writeChildJournal(folder: string, amount: number): Promise<string> {
  const path = join(folder, "process.sqlite");
  const loop = openLoop(path, "process");
  const { name, kind, priority, weight, policy, pooled, token } = grantOf("there", "a", amount);
  const facts = { allocationId: "there", path: "global/there", depth: 1, name, kind, priority, weight, policy, pooled };
  const lease = { epoch: 1, leaseTtlMs: 15_000, leaseEndsAtMs: 15_000, deadlineLeftMs: undefined } as const;
  const grant = { ...facts, ...lease, limits: credits(amount), token, peer: "parent", notes: [] };
  await loop.ask({ type: "receive_grant", ...grant });
  await loop.close();
  return path;
}

const looks = (folder: string) => readdirSync(folder).map((name) => [name, statSync(join(folder, name)).mtimeMs]);

test("a sound journal: what it is, how its books stand, and nothing changed", async () => {
  const folder = temporaryFolder();
  const path = await writeJournal(folder);
  const before = looks(folder);
  const { exitCode, out } = await bursar("doctor", path);
  expect(exitCode).toBe(EXIT.ok);
  expect(out).toContain("tier coordination, journal journal-coordination");
  expect(out).toContain("global: 1,000 = 600 available + 400 granted + 0 spent credits");
  expect(out).toContain("3 open nodes and 0 closed, 1 call in flight, 0 lapsed");
  expect(out).toContain("✔ the rows are whole and the books balance at every node");
  expect(looks(folder)).toEqual(before);
});

test("the journals of the state folder are examined together", async () => {
  const folder = temporaryFolder();
  await writeJournal(folder);
  await writeChildJournal(folder, 100);
  const { exitCode, out } = await bursar("doctor", "--state", folder);
  expect(exitCode).toBe(EXIT.ok);
  expect(out).toContain("✔ every grant fits in both of its journals");
  const json = JSON.parse((await bursar("doctor", "--state", folder, "--json")).out);
  expect(json).toMatchObject({
    healthy: true,
    between: [],
    journals: [
      { tier: "coordination", problems: [], standing: { holds_live: 1, roots: [{ path: "global", available: 600 }] } },
      { tier: "process", problems: [] },
    ],
  });
});

test("a child that has more than was committed is named", async () => {
  const folder = temporaryFolder();
  await writeJournal(folder);
  await writeChildJournal(folder, 150);
  const { exitCode, out } = await bursar("doctor", "--state", folder);
  expect(exitCode).toBe(EXIT.failed);
  expect(out).toContain("✖ global/there: its holder was granted 150 credits, but its parent has committed 100");
});

test("a flipped bit is named with its row", async () => {
  const folder = temporaryFolder();
  const path = await writeJournal(folder);
  const bytes = readFileSync(path);
  const at = bytes.indexOf("token-of-there");
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  const { exitCode, out } = await bursar("doctor", path);
  expect(exitCode).toBe(EXIT.failed);
  expect(out).toMatch(/✖ .*row 3: .*corrupt/);
});

test("events that make no books are named with their commit", async () => {
  const path = join(temporaryFolder(), "coordination.sqlite");
  const { journal, commits } = openSqliteJournal({
    path,
    codec,
    tier: "coordination",
    journalId: "j",
    clock: systemClock,
  });
  for (const _ of commits) expect.fail("a new journal has none");
  journal.append({ engineTimeMs: 5, events: [{ type: "hold_lapsed", atMs: 5, holdId: "nobody" }] }, () => undefined);
  journal.close();
  const { exitCode, out } = await bursar("doctor", path);
  expect(exitCode).toBe(EXIT.failed);
  expect(out).toMatch(/✖ commit 1: .*nobody/);
});

test("what is no journal, not there, or in use is said, and nothing else", async () => {
  const folder = temporaryFolder();
  expect(await bursar("doctor", "--state", folder)).toMatchObject({ exitCode: EXIT.usage });
  const missing = await bursar("doctor", join(folder, "none.sqlite"));
  expect(missing).toMatchObject({ exitCode: EXIT.failed });
  writeFileSync(join(folder, "text"), "hello");
  expect((await bursar("doctor", join(folder, "text"))).out).toContain("not-a-journal");
  const path = await writeJournal(folder);
  const loop = openLoop(path, "coordination");
  const held = await bursar("doctor", path, join(folder, "text"));
  expect(held.out).toContain("in-use");
  expect(held.out).not.toContain("between them");
  await loop.close();
});

test("export writes the whole ledger as JSON lines, without tokens", async () => {
  const folder = temporaryFolder();
  const path = await writeJournal(folder);
  const { exitCode, out } = await bursar("export", path);
  expect(exitCode).toBe(EXIT.ok);
  const lines = out.split("\n").map((line) => JSON.parse(line));
  expect(lines[0]).toMatchObject({ type: "journal", tier: "coordination", journal_id: "journal-coordination" });
  expect(lines.at(-1)).toEqual({ type: "end", head_seq: lines[0].head_seq, events: lines.length - 2 });
  const opened = lines.find(({ allocation_id: id }) => id === "there");
  expect(opened).toMatchObject({
    type: "allocation_opened",
    side: "delegated",
    peer: "process-1",
    limits: { credits: 100 },
  });
  expect(lines.find(({ type }) => type === "hold_placed")).toMatchObject({ hold_id: "h", amounts: { credits: 40 } });
  expect(out).not.toContain("token-of");
});

test("export of a damaged journal ends with what is wrong, and without its last line", async () => {
  const folder = temporaryFolder();
  const path = await writeJournal(folder);
  const copy = join(folder, "copy.sqlite");
  copyFileSync(path, copy);
  const bytes = readFileSync(copy);
  const at = bytes.indexOf("token-of-there");
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(copy, bytes);
  const { exitCode, out, err } = await bursar("export", copy);
  expect(exitCode).not.toBe(EXIT.ok);
  expect(err).toMatch(/^bursar: journal .*: row 3: its checksum/);
  expect(out).toContain('"allocation_id":"here"');
  expect(out).not.toContain('"type":"end"');
});
