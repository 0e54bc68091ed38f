/** kill -9 at random moments of a compaction: what is left is either the old snapshot with all commits, or the new one. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { isDeepStrictEqual } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type BudgetState, describeState } from "#budget";
import { Prng } from "#std";
import { Ledger, realCodec, stateOf } from "./ledger.fixture.ts";
import { openSqliteJournal } from "./sqlite-journal.ts";
import { readSqliteJournal } from "./sqlite-reader.ts";

const PROGRAM = join(import.meta.dirname, "journal-process.fixture.ts");
/** Deaths of each of two journals, side by side. */
const ROUNDS = 16;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "journal-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

interface Life {
  /** How many commits it found, and the last that it said was durable. */
  readonly read: number;
  readonly acknowledged: number;
  readonly compactions: number;
}

/** Lets the process append and compact, and kills it before slice number `slices` of its compactions. */
async function liveAndDie(path: string, slices: number): Promise<Life> {
  const child = spawn(process.execPath, [PROGRAM, "compact", path], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    let life: Life = { read: 0, acknowledged: 0, compactions: 0 };
    let left = slices;
    for await (const line of createInterface({ input: child.stdout })) {
      if (line === "slice") left -= 1;
      else if (line === "compacted") life = { ...life, compactions: life.compactions + 1 };
      else if (line.startsWith("read "))
        life = { ...life, read: Number(line.slice(5)), acknowledged: Number(line.slice(5)) };
      else life = { ...life, acknowledged: Number(line) };
      if (left === 0) child.kill("SIGKILL");
    }
    return life;
  } finally {
    child.kill("SIGKILL");
  }
}

/** What is left, once read as a daemon does and once offline. */
function recovered(path: string, offline: boolean): BudgetState {
  if (!offline) {
    const opened = openSqliteJournal({ path, codec: realCodec, tier: "coordination", journalId: "unused" });
    const state = stateOf(opened);
    opened.journal.close();
    return state;
  }
  const { snapshot, commits, close } = readSqliteJournal({ path, codec: realCodec });
  const state = stateOf({ snapshot, commits: Array.from(commits, ({ commit }) => commit) });
  close();
  return state;
}

async function manyDeaths(path: string, prng: Prng): Promise<number> {
  let compactions = 0;
  let before = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const life = await liveAndDie(path, 1 + prng.below(round % 4 === 0 ? 24 : 10));
    const where = `round ${round}: ${JSON.stringify(life)}`;
    expect(life.read, where).toBeGreaterThanOrEqual(before);
    compactions += life.compactions;
    const state = recovered(path, round % 2 === 0);
    const ledger = Ledger.after(state);
    expect(isDeepStrictEqual(describeState(state), describeState(ledger.state)), where).toBe(true);
    expect(ledger.count, where).toBeGreaterThanOrEqual(life.acknowledged);
    before = ledger.count;
  }
  return compactions;
}

test("the state after each of many deaths is that after the last commits, and at least the acknowledged ones", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const journals = ["a.journal", "b.journal"].map((name, index) =>
    manyDeaths(join(folder, name), new Prng(seed + index)),
  );
  const compactions = await Promise.all(journals).catch((cause: unknown) => {
    throw new Error(`seed ${seed}`, { cause });
  });
  expect(Math.max(...compactions)).toBeGreaterThan(0);
}, 240_000);

test("nobody else gets the journal while it is compacted, nor after it was", async () => {
  const path = join(folder, "held.journal");
  const open = () => openSqliteJournal({ path, codec: realCodec, tier: "coordination", journalId: "unused" });
  const child = spawn(process.execPath, [PROGRAM, "compact", path], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    let compactions = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      if (line === "compacted") compactions += 1;
      if (compactions === 2) child.kill("SIGKILL");
      else if (line === "slice" || line === "compacted") {
        expect(open, line).toThrow(expect.objectContaining({ reason: "in-use" }));
      }
    }
    expect(compactions).toBeGreaterThanOrEqual(2);
  } finally {
    child.kill("SIGKILL");
  }
}, 60_000);
