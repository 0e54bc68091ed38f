/** Damage done to a closed journal, by SQL and by flipping bits: always found and named, or without effect. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Commit } from "#ports";
import { Prng } from "#std";
import { JournalError } from "./journal-error.ts";
import { jsonCodec, numberedCommit, numberedCommits } from "./json-codec.fixture.ts";
import { chainChecksum, chainStart } from "./row-chain.ts";
import { openSqliteJournal } from "./sqlite-journal.ts";

const ROWS = 12;
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "journal-"));
  path = join(folder, "coordination.journal");
  appendAll(numberedCommits(ROWS));
});

afterEach(() => rmSync(folder, { recursive: true }));

function open() {
  return openSqliteJournal({ path, codec: jsonCodec, tier: "coordination", journalId: "journal-1" });
}

/** Reads all, appends `commits`, closes; returns what was there before. */
function appendAll(commits: readonly Commit[]): Commit[] {
  const { journal, commits: stored } = open();
  try {
    const before = [...stored];
    for (const commit of commits) {
      journal.append(commit, (error) => {
        if (error) throw error;
      });
    }
    return before;
  } finally {
    journal.close();
  }
}

function sql(statements: string): void {
  const database = new DatabaseSync(path);
  database.exec(statements);
  database.close();
}

/** Reads the journal until it refuses: the commits handed out before, and the refusal. */
function readUntilRefused(codec = jsonCodec): { read: Commit[]; error: JournalError } {
  const read: Commit[] = [];
  const { journal, commits } = openSqliteJournal({ path, codec, tier: "coordination", journalId: "journal-1" });
  try {
    for (const commit of commits) read.push(commit);
  } catch (error) {
    if (error instanceof JournalError) return { read, error };
    throw error;
  } finally {
    journal.close();
  }
  throw new Error("the damage was not found");
}

describe("rows changed behind the journal's back", () => {
  test.each([
    {
      name: "a changed body",
      damage: "UPDATE commits SET body = CAST(replace(CAST(body AS TEXT), 'padding', 'Padding') AS BLOB) WHERE seq = 5",
      row: 5,
      says: "its content and the rows before give",
    },
    {
      name: "a truncated body",
      damage: "UPDATE commits SET body = substr(body, 1, length(body) - 1) WHERE seq = 7",
      row: 7,
      says: "checksum",
    },
    {
      name: "a changed checksum",
      damage: "UPDATE commits SET checksum = checksum + 1 WHERE seq = 1",
      row: 1,
      says: "checksum",
    },
    {
      name: "a later engine time",
      damage: "UPDATE commits SET engine_time = 55 WHERE seq = 5",
      row: 5,
      says: "checksum",
    },
    {
      name: "an impossible engine time",
      damage: "UPDATE commits SET engine_time = -1 WHERE seq = 5",
      row: 5,
      says: "-1",
    },
    {
      name: "an engine time beyond any number",
      damage: "UPDATE commits SET engine_time = 9223372036854775807 WHERE seq = 5",
      row: 5,
      says: "cannot be read",
    },
    {
      name: "a row missing in the middle",
      damage: "DELETE FROM commits WHERE seq = 4",
      row: 4,
      says: "it is missing; the row after 3 is 5",
    },
    { name: "the first row missing", damage: "DELETE FROM commits WHERE seq = 1", row: 1, says: "it is missing" },
    {
      name: "the last rows missing",
      damage: "DELETE FROM commits WHERE seq > 9",
      row: 10,
      says: "it is missing; the journal's head is row 12",
    },
    { name: "all rows missing", damage: "DELETE FROM commits", row: 1, says: "the journal's head is row 12" },
    {
      name: "two rows swapped",
      damage:
        "UPDATE commits SET seq = -5 WHERE seq = 5; UPDATE commits SET seq = 5 WHERE seq = 6; UPDATE commits SET seq = 6 WHERE seq = -5",
      row: 5,
      says: "checksum",
    },
    {
      name: "a middle row cut out and the rest moved up",
      damage: "DELETE FROM commits WHERE seq = 5; UPDATE commits SET seq = seq - 1 WHERE seq > 5",
      row: 5,
      says: "checksum",
    },
    {
      name: "a row repeated at the end",
      damage: "INSERT INTO commits SELECT 13, engine_time, checksum, body FROM commits WHERE seq = 12",
      row: 13,
      says: "checksum",
    },
    {
      name: "a head that moved back",
      damage: "UPDATE chain SET seq = 11 WHERE mark = 'head'",
      row: 12,
      says: "it stands after the journal's head, row 11",
    },
    {
      name: "a head with another checksum",
      damage: "UPDATE chain SET checksum = 1 WHERE mark = 'head'",
      row: 12,
      says: "differ from the journal's head",
    },
  ])("$name is named", ({ damage, row, says }) => {
    sql(damage);
    const { read, error } = readUntilRefused();
    expect(error).toMatchObject({ reason: "corrupt", row, path });
    expect(error.message).toContain(`row ${row}: `);
    expect(error.message).toContain(says);
    // The head is compared last, when every row has been handed out.
    expect(read).toEqual(numberedCommits(says.includes("differ from") ? ROWS : Math.min(row - 1, ROWS)));
  });

  test("a row rewritten together with its checksum breaks the chain at the next row", () => {
    const body = jsonCodec.encode({ engineTimeMs: 50, events: [] });
    const database = new DatabaseSync(path);
    const checksumOf = (seq: number) =>
      database.prepare("SELECT checksum FROM commits WHERE seq = ?").get(seq)?.checksum;
    const checksum = chainChecksum(Number(checksumOf(4)), { seq: 5, engineTimeMs: 50, body });
    database.prepare("UPDATE commits SET body = ?, checksum = ? WHERE seq = 5").run(body, checksum);
    database.close();
    expect(readUntilRefused().error).toMatchObject({ reason: "corrupt", row: 6 });
  });

  test("an engine time that falls is named although its checksum fits", () => {
    const body = jsonCodec.encode({ ...numberedCommit(13), engineTimeMs: 119 });
    const database = new DatabaseSync(path);
    const last = database.prepare("SELECT checksum FROM commits WHERE seq = 12").get();
    const checksum = chainChecksum(Number(last?.checksum), { seq: 13, engineTimeMs: 119, body });
    database
      .prepare("INSERT INTO commits (seq, engine_time, checksum, body) VALUES (13, 119, ?, ?)")
      .run(checksum, body);
    database.close();
    const { error } = readUntilRefused();
    expect(error).toMatchObject({ reason: "corrupt", row: 13 });
    expect(error.message).toContain("its engine time 119 ms is before that of the row before, 120 ms");
  });

  test("a body that does not decode is named with its cause", () => {
    const decode = (body: Uint8Array) => {
      const commit = jsonCodec.decode(body);
      if (commit.engineTimeMs === 30) throw new Error("unknown record");
      return commit;
    };
    const { read, error } = readUntilRefused({ ...jsonCodec, decode });
    expect(error).toMatchObject({ reason: "corrupt", row: 3, cause: new Error("unknown record") });
    expect(read).toEqual(numberedCommits(2));
  });

  test("a body that disagrees with its row about the engine time is named", () => {
    const decode = (body: Uint8Array) => ({ ...jsonCodec.decode(body), engineTimeMs: 10 });
    expect(readUntilRefused({ ...jsonCodec, decode }).error).toMatchObject({ reason: "corrupt", row: 2 });
  });

  test("rows of another journal do not fit", () => {
    sql(`UPDATE chain SET checksum = ${chainStart("journal-2").checksum} WHERE mark = 'base'`);
    expect(() => open()).toThrow(/chain begins after row 0/);
  });

  test("a journal that refuses to be read cannot be appended to", () => {
    sql("DELETE FROM commits WHERE seq = 4");
    const { journal, commits } = open();
    expect(() => [...commits]).toThrow(JournalError);
    expect(() => journal.append(numberedCommit(13), () => {})).toThrow(
      "read the journal's snapshot and commits to their end",
    );
    journal.close();
  });
});

describe("flipped bits", () => {
  /** The journal with one bit flipped either refuses by name, or works on as if nothing had happened. */
  function expectFoundOrHarmless(whole: Buffer, at: { byte: number; bit: number }): "found" | "harmless" {
    const damaged = Buffer.from(whole);
    damaged[at.byte] = (damaged[at.byte] ?? 0) ^ (1 << at.bit);
    writeFileSync(path, damaged);
    const more = [numberedCommit(ROWS + 1), numberedCommit(ROWS + 2)];
    try {
      expect(appendAll(more)).toEqual(numberedCommits(ROWS));
      expect(appendAll([])).toEqual(numberedCommits(ROWS + 2));
      return "harmless";
    } catch (error) {
      if (!(error instanceof JournalError)) throw error;
      return "found";
    }
  }

  test("a bit flipped anywhere in the file is found, or has no effect on what is read and written", () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const prng = new Prng(seed);
    const whole = readFileSync(path);
    let found = 0;
    for (let round = 0; round < 250; round++) {
      const at = { byte: prng.below(whole.length), bit: prng.below(8) };
      try {
        if (expectFoundOrHarmless(whole, at) === "found") found++;
      } catch (error) {
        throw new Error(`bit ${at.bit} of byte ${at.byte}, seed ${seed}`, { cause: error });
      }
    }
    expect(found).toBeGreaterThan(25);
  });

  test("a bit flipped in a table's definition is found before the table is used", () => {
    const whole = readFileSync(path);
    const at = whole.indexOf("engine_time INTEGER NOT NULL, checksum INTEGER NOT NULL, body");
    expect(at).toBeGreaterThan(0);
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] ?? 0) ^ 2;
    writeFileSync(path, damaged);
    expect(open).toThrow(/its tables are not those of format 2/);
  });

  test("a bit flipped in a page's account of its free space, which no reading touches, is found before a write", () => {
    const whole = readFileSync(path);
    let pages = 0;
    for (let page = 4_096; page < whole.length; page += 4_096) {
      if (whole[page] !== 0x0d) continue; // only leaves of a table with row ids: the rows themselves
      const damaged = Buffer.from(whole);
      damaged[page + 1] = (damaged[page + 1] ?? 0) ^ 1;
      writeFileSync(path, damaged);
      expect(open).toThrow(expect.objectContaining({ reason: "corrupt" }));
      pages++;
    }
    expect(pages).toBeGreaterThan(0);
  });

  test("a bit flipped in a body is found in its row", () => {
    const whole = readFileSync(path);
    const needle = Buffer.from('"n":9,"padding"');
    const at = whole.indexOf(needle);
    expect(at).toBeGreaterThan(0);
    for (let byte = at; byte < at + needle.length; byte++) {
      const damaged = Buffer.from(whole);
      damaged[byte] = (damaged[byte] ?? 0) ^ 4;
      writeFileSync(path, damaged);
      expect(readUntilRefused().error).toMatchObject({ reason: "corrupt", row: 9 });
    }
  });

  test("the undamaged copy still reads", () => {
    copyFileSync(path, `${path}.copy`);
    path = `${path}.copy`;
    expect(appendAll([])).toEqual(numberedCommits(ROWS));
  });
});
