import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Commit, Journal } from "#ports";
import { InvariantError, LIMITS } from "#std";
import { JournalError, type JournalErrorReason } from "./journal-error.ts";
import { jsonCodec, numberedCommit, numberedCommits } from "./json-codec.fixture.ts";
import { openSqliteJournal, type SqliteJournalOptions } from "./sqlite-journal.ts";

let folder: string;
let path: string;
let opened: Journal[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "journal-"));
  path = join(folder, "coordination.journal");
  opened = [];
});

afterEach(() => {
  for (const journal of opened) journal.close();
  rmSync(folder, { recursive: true });
});

function open(options: Partial<SqliteJournalOptions> = {}) {
  const result = openSqliteJournal({
    path,
    codec: jsonCodec,
    tier: "coordination",
    journalId: "journal-1",
    ...options,
  });
  opened.push(result.journal);
  return result;
}

/** Opens and reads to the end, ready to append. */
function openRead(options: Partial<SqliteJournalOptions> = {}) {
  const { journal, commits } = open(options);
  return { journal, stored: [...commits] };
}

/** Appends and returns what `done` said: undefined when durable. */
function append(journal: Journal, commit: Commit): Error | undefined {
  const answers: (Error | undefined)[] = [];
  journal.append(commit, (error) => answers.push(error));
  expect(answers).toHaveLength(1);
  return answers[0];
}

function refusal(attempt: () => unknown): JournalError {
  try {
    attempt();
  } catch (error) {
    if (error instanceof JournalError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

function expectReason(error: Error | undefined, reason: JournalErrorReason): void {
  expect(error).toBeInstanceOf(JournalError);
  expect(error).toMatchObject({ reason, path });
  expect(error?.message).toContain(path);
}

describe("writing and reading back", () => {
  test("commits come back in order over several openings, under the first journal id", () => {
    const commits = numberedCommits(60);
    const first = openRead();
    expect(first.stored).toEqual([]);
    for (const commit of commits.slice(0, 40)) expect(append(first.journal, commit)).toBeUndefined();
    first.journal.close();
    const second = openRead({ journalId: "another" });
    expect(second.journal.journalId).toBe("journal-1");
    expect(second.stored).toEqual(commits.slice(0, 40));
    for (const commit of commits.slice(40)) expect(append(second.journal, commit)).toBeUndefined();
    second.journal.close();
    expect(openRead().stored).toEqual(commits);
  });

  test("one row per commit, and closing folds the log into the file", () => {
    const { journal } = openRead();
    for (const commit of numberedCommits(5)) append(journal, commit);
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(0);
    journal.close();
    expect(statSync(`${path}-wal`, { throwIfNoEntry: false })).toBeUndefined();
    const database = new DatabaseSync(path);
    expect(database.prepare("SELECT seq, engine_time FROM commits").all()).toEqual(
      [1, 2, 3, 4, 5].map((seq) => ({ seq, engine_time: 10 * seq })),
    );
    database.close();
  });

  test("the log stays bounded while the file grows", () => {
    const { journal } = openRead();
    const body = new Uint8Array(40_000);
    const codec = { encode: () => body, decode: () => numberedCommit(1) };
    journal.close();
    const heavy = openRead({ codec });
    for (let n = 1; n <= 400; n++) append(heavy.journal, numberedCommit(n));
    expect(statSync(path).size).toBeGreaterThan(2 * LIMITS.journalLogPagesMax * 4_096);
    expect(statSync(`${path}-wal`).size).toBeLessThan(1.2 * LIMITS.journalLogPagesMax * 4_096);
  });

  test("rows are decoded one at a time, as they are asked for", () => {
    const { journal } = openRead();
    for (const commit of numberedCommits(10)) append(journal, commit);
    journal.close();
    let decoded = 0;
    const codec = {
      ...jsonCodec,
      decode: (body: Uint8Array) => {
        decoded++;
        return jsonCodec.decode(body);
      },
    };
    const { commits } = open({ codec });
    for (const commit of commits) {
      if (commit.engineTimeMs === 30) break;
    }
    expect(decoded).toBe(3);
    expect([...commits]).toHaveLength(10);
  });
});

describe("faults of the caller", () => {
  test("nothing is appended before the stored rows were read to their end", () => {
    const { journal, commits } = open();
    expect(() => append(journal, numberedCommit(1))).toThrow(InvariantError);
    expect([...commits]).toEqual([]);
    expect(append(journal, numberedCommit(1))).toBeUndefined();
  });

  test("appending after close is a fault, closing twice is not", () => {
    const { journal } = openRead();
    journal.close();
    journal.close();
    expect(() => append(journal, numberedCommit(1))).toThrow("append to a closed journal");
  });

  test("engine time may stand still, but neither fall nor be a fraction", () => {
    const { journal } = openRead();
    append(journal, numberedCommit(2));
    expect(append(journal, { ...numberedCommit(3), engineTimeMs: 20 })).toBeUndefined();
    expect(() => append(journal, { ...numberedCommit(3), engineTimeMs: 19 })).toThrow("engine time fell from 20 to 19");
    expect(() => append(journal, { ...numberedCommit(3), engineTimeMs: 20.5 })).toThrow("not a whole number");
  });

  test("a commit beyond the row limit is refused, and the journal stops", () => {
    const body = new Uint8Array(LIMITS.commitRowBytesMax + 1);
    const { journal } = openRead({ codec: { ...jsonCodec, encode: () => body } });
    expectReason(append(journal, numberedCommit(1)), "row-too-large");
    expectReason(append(journal, numberedCommit(1)), "stopped");
  });

  test("a commit of exactly the row limit is kept", () => {
    const body = new Uint8Array(LIMITS.commitRowBytesMax).fill(7);
    const commit = numberedCommit(1);
    const decode = (bytes: Uint8Array) => {
      expect(Buffer.compare(bytes, body)).toBe(0);
      return commit;
    };
    const codec = { encode: () => body, decode };
    const { journal } = openRead({ codec });
    expect(append(journal, commit)).toBeUndefined();
    journal.close();
    expect(openRead({ codec }).stored).toEqual([commit]);
  });

  test("a commit that cannot be encoded stops the journal and leaves no trace", () => {
    const encode = () => {
      throw new Error("no such event");
    };
    const { journal } = openRead({ codec: { ...jsonCodec, encode } });
    const error = append(journal, numberedCommit(1));
    expectReason(error, "unencodable");
    expect(error?.cause).toEqual(new Error("no such event"));
    expectReason(append(journal, numberedCommit(2)), "stopped");
    journal.close();
    expect(openRead().stored).toEqual([]);
  });

  test("what `done` throws reaches the caller and does not stop the journal", () => {
    const { journal } = openRead();
    const done = () => {
      throw new Error("from done");
    };
    expect(() => journal.append(numberedCommit(1), done)).toThrow("from done");
    expect(append(journal, numberedCommit(2))).toBeUndefined();
  });
});

describe("a full disk", () => {
  test("the commit fails by name, later ones are refused, all earlier ones are kept", () => {
    const { journal } = openRead({ pagesMax: 40 });
    let acknowledged = 0;
    let error: Error | undefined;
    while (!error) {
      error = append(journal, numberedCommit(acknowledged + 1));
      if (!error) acknowledged++;
    }
    expect(acknowledged).toBeGreaterThan(7);
    expectReason(error, "disk-full");
    expect(error.message).toContain("free disk space");
    expectReason(append(journal, numberedCommit(acknowledged + 1)), "stopped");
    journal.close();
    const reopened = openRead();
    expect(reopened.stored).toEqual(numberedCommits(acknowledged));
    expect(append(reopened.journal, numberedCommit(acknowledged + 1))).toBeUndefined();
  });
});

describe("files that are refused", () => {
  test("a journal that is already open", () => {
    open();
    const error = refusal(() => open());
    expectReason(error, "in-use");
    expect(error.message).toContain("stop the process that holds it");
  });

  test("a journal of another tier", () => {
    open({ tier: "process" }).journal.close();
    const error = refusal(() => open());
    expectReason(error, "other-tier");
    expect(error.message).toContain("tier process, this daemon is of the tier coordination");
    open({ tier: "process" });
  });

  test("a journal of a newer format, whatever its other tables are", () => {
    open().journal.close();
    const database = new DatabaseSync(path);
    database.exec("DROP TABLE chain; UPDATE meta SET value = '3' WHERE key = 'format'");
    // The checksum of {format: 3, journal_id: journal-1, tier: coordination}, which the newer release would write.
    database.exec(`UPDATE meta SET value = '2361989863' WHERE key = 'checksum'`);
    database.close();
    const error = refusal(() => open());
    expectReason(error, "newer-version");
    expect(error.message).toContain("format 3, this release reads up to 2");
  });

  test.each([
    { key: "journal_id", value: "journal-2" },
    { key: "tier", value: "process" },
    { key: "format", value: "3" },
  ])("a changed $key", ({ key, value }) => {
    open().journal.close();
    const database = new DatabaseSync(path);
    database.prepare("UPDATE meta SET value = ? WHERE key = ?").run(value, key);
    database.close();
    const error = refusal(() => open({ tier: key === "tier" ? value : "coordination" }));
    expectReason(error, "corrupt");
    expect(error.message).toContain("meta does not fit its checksum");
  });

  test("another program's SQLite database, which stays as it was", () => {
    const database = new DatabaseSync(path);
    database.exec("CREATE TABLE accounts (name TEXT)");
    database.close();
    const before = readFileSync(path);
    const error = refusal(() => open());
    expectReason(error, "not-a-journal");
    expect(error.message).toContain("not a Bursar journal");
    expect(readFileSync(path)).toEqual(before);
  });

  test("a file that is no database, which stays as it was", () => {
    writeFileSync(path, "accounts:\n  - name: research\n".repeat(100));
    const before = readFileSync(path);
    expectReason(
      refusal(() => open()),
      "not-a-journal",
    );
    expect(readFileSync(path)).toEqual(before);
  });

  test("a folder in the place of the file", () => {
    mkdirSync(path);
    expectReason(
      refusal(() => open()),
      "not-a-journal",
    );
  });

  test("a folder that does not exist", () => {
    path = join(folder, "absent", "coordination.journal");
    const error = refusal(() => open());
    expectReason(error, "no-folder");
    expect(error.message).toContain("create the folder");
  });

  test("a path through a file", () => {
    writeFileSync(join(folder, "file"), "");
    path = join(folder, "file", "coordination.journal");
    expectReason(
      refusal(() => open()),
      "no-folder",
    );
  });

  test("a log whose file was taken away", () => {
    writeFileSync(`${path}-wal`, "x".repeat(5_000));
    const error = refusal(() => open());
    expectReason(error, "corrupt");
    expect(error.message).toContain("missing or empty");
    expect(statSync(`${path}-wal`).size).toBe(5_000);
  });

  test("a file cut off in the middle", () => {
    const { journal } = openRead();
    for (const commit of numberedCommits(30)) append(journal, commit);
    journal.close();
    writeFileSync(path, readFileSync(path).subarray(0, 5 * 4_096));
    expectReason(
      refusal(() => openRead()),
      "corrupt",
    );
  });

  test("an empty file is a new journal", () => {
    writeFileSync(path, "");
    const { journal, stored } = openRead();
    expect(stored).toEqual([]);
    expect(append(journal, numberedCommit(1))).toBeUndefined();
  });
});
