/** What the accounts file changes at a start, and what it leaves as a person has made it, over restarts on one journal. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Amount, limitsOf, NOTHING } from "#budget";
import { decodeCommit, encodeCommit } from "#codec";
import { SettingsError } from "#daemon";
import { openSqliteJournal } from "#journal";
import { systemClock, systemIds, TierResourceManager } from "#tier";
import { accountId } from "./account-entry.ts";
import { applyAccounts } from "./accounts.ts";

let folder: string;
let loop: TierResourceManager;
let told: string[];
const log = {
  info: (facts: object) => told.push(JSON.stringify(facts)),
  warn: () => undefined,
  error: () => undefined,
};

function open(): void {
  const codec = { encode: encodeCommit, decode: decodeCommit };
  const opened = openSqliteJournal({ path: join(folder, "j.db"), codec, tier: "coordination", journalId: "j" });
  const onFatal = (error: Error) => {
    throw error;
  };
  loop = new TierResourceManager({ opened, clock: systemClock, onFatal, checkInvariants: true });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bursar-accounts-"));
  told = [];
  open();
});

afterEach(async () => {
  await loop.close();
  rmSync(folder, { recursive: true });
});

/** The next life of coordination on the same journal, or the first, with this file. */
async function start(yaml: string): Promise<void> {
  await loop.close();
  open();
  told = [];
  const file = join(folder, "accounts.yaml");
  writeFileSync(file, `accounts:\n${yaml}`);
  await applyAccounts({ loop, ids: systemIds, log }, file);
}

const refusedStart = (yaml: string): Promise<string> =>
  start(yaml).then(
    () => expect.unreachable("it started"),
    (error: unknown) => (error instanceof SettingsError ? error.message : String(error)),
  );

const credits = (path: string) => loop.read(({ allocations }) => allocations.get(accountId(path))?.books.credits.limit);
const limitsAt = (path: string) =>
  loop.read(({ allocations }) => {
    const node = allocations.get(accountId(path));
    return node && limitsOf(node);
  });

let requests = 0;
async function live(path: string, limits: { readonly credits: number }): Promise<void> {
  requests += 1;
  const update = { caller: "person", requestId: `r${requests}`, allocationId: accountId(path), limits };
  const outcome = await loop.ask({ type: "update_limits", ...update, limits: { credits: limits.credits as Amount } });
  expect(outcome.type).toBe("updated");
}

/** A swarm that has so much of the account for itself. */
async function swarm(path: string, amount: number): Promise<void> {
  requests += 1;
  const name = `s${requests}`;
  const wanted = { credits: amount as Amount };
  const place = { allocationId: name, parentId: accountId(path), name, limits: wanted, min: { ...NOTHING, ...wanted } };
  const rank = { kind: "swarm", priority: "NORMAL", weight: 1, strategy: undefined, waitMs: 0, policy: {} } as const;
  const alone = { token: undefined, pooled: [], byHolder: false, holder: undefined, leaseTtlMs: 0 } as const;
  const wish = { type: "open", caller: "person", requestId: name, ...place, ...rank, ...alone } as const;
  expect(await loop.ask({ type: "grant", wish })).toMatchObject({ type: "opened" });
}

const root = (limits: string, ...accounts: string[]) =>
  `  - { name: top, limits: { ${limits} }, accounts: [${accounts.join(", ")}] }\n`;
const child = (name: string, limits: string, more = "") => `{ name: ${name}, limits: { ${limits} }${more} }`;

describe("an entry that has not changed", () => {
  const file = root("credits: 100", child("team", "credits: 40"));

  test("leaves a live raise alone, though more is in use than it says, and says that it does", async () => {
    await start(file);
    expect(told).toEqual([]);
    await live("top/team", { credits: 90 });
    await swarm("top/team", 80);
    await start(file);
    expect(await credits("top/team")).toBe(90);
    expect(told).toEqual([expect.stringContaining('"account":"top/team"')]);
    await start(file);
    expect(await credits("top/team")).toBe(90);
  });

  test("leaves a live lowering alone; the order of its fields is nothing", async () => {
    await start(root("credits: 100, tool_calls: 5"));
    await live("top", { credits: 60 });
    await start(root("tool_calls: 5, credits: 1_00"));
    expect(await credits("top")).toBe(60);
  });
});

describe("an entry that has changed", () => {
  test("is applied whole, over what was changed live; the others stay", async () => {
    await start(root("credits: 100", child("a", "credits: 20"), child("b", "credits: 20")));
    await live("top/a", { credits: 30 });
    await live("top/b", { credits: 30 });
    await start(
      root("credits: 100", child("a", "credits: 20", ", low_budget_percents: [50]"), child("b", "credits: 20")),
    );
    expect(await credits("top/a")).toBe(20);
    expect(await credits("top/b")).toBe(30);
    await start(root("credits: 100", child("a", "credits: 20"), child("b", "credits: 20")));
    expect(await loop.read(({ allocations }) => allocations.get(accountId("top/a"))?.policy)).toEqual({});
  });

  test("is refused where more is in use, all of them at once; going back to the old text starts", async () => {
    const before = root("credits: 100", child("a", "credits: 50"), child("b", "credits: 50"));
    await start(before);
    await swarm("top/a", 40);
    await swarm("top/b", 45);
    const message = await refusedStart(root("credits: 100", child("a", "credits: 39"), child("b", "credits: 44")));
    expect(message.split("\n")).toEqual([
      expect.stringMatching(/accounts\.yaml: account top\/a: .*top\/a uses or has granted 40/),
      expect.stringMatching(/accounts\.yaml: account top\/b: .*top\/b uses or has granted 45/),
    ]);
    await live("top/a", { credits: 45 });
    await start(before);
    expect(await credits("top/a")).toBe(45);
  });

  test("that was applied before another was refused is put back with the file", async () => {
    const before = root("credits: 100", child("a", "credits: 50"), child("b", "credits: 50"));
    await start(before);
    await swarm("top/b", 45);
    await refusedStart(root("credits: 100", child("a", "credits: 10"), child("b", "credits: 44")));
    await start(before);
    expect(await credits("top/a")).toBe(50);
  });
});

describe("accounts below accounts", () => {
  test("grow from the top down and shrink from the bottom up, and one takes what its sibling gives", async () => {
    await start(root("credits: 100", child("a", "credits: 80"), child("b", "credits: 20")));
    await start(root("credits: 300", child("a", "credits: 20"), child("b", "credits: 280")));
    expect([await credits("top"), await credits("top/a"), await credits("top/b")]).toEqual([300, 20, 280]);
    await start(root("credits: 50", child("a", "credits: 30"), child("b", "credits: 20")));
    expect([await credits("top"), await credits("top/a"), await credits("top/b")]).toEqual([50, 30, 20]);
  });

  test("that change one resource for another, each waiting for the other, come to what the file says", async () => {
    const swap = (credits: number, calls: number) => {
      const limits = `credits: ${credits}, tool_calls: ${calls}`;
      return root(limits, child("a", limits));
    };
    await start(swap(100, 10));
    await start(swap(10, 100));
    for (const path of ["top", "top/a"]) expect(await limitsAt(path)).toMatchObject({ credits: 10, toolCalls: 100 });
    await live("top/a", { credits: 9 });
    await start(swap(10, 100));
    expect(await credits("top/a")).toBe(9);
  });
});

test("a journal from before the note is compared with its limits once, and from then on with the note", async () => {
  const limits = { credits: 70 as Amount };
  await loop.ask({ type: "open_root", allocationId: accountId("top"), name: "top", limits, policy: {} });
  await start(root("credits: 100"));
  expect(await credits("top")).toBe(100);
  await live("top", { credits: 70 });
  await start(root("credits: 100"));
  expect(await credits("top")).toBe(70);
});
