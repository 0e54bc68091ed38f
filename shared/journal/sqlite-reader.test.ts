/** Reading a journal offline: the same content as a daemon reads, and no trace of the reading. */
import { spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Commit } from "#ports";
import { JournalError } from "./journal-error.ts";
import { jsonCodec, numberedCommit, numberedCommits } from "./json-codec.fixture.ts";
import { openSqliteJournal } from "./sqlite-journal.ts";
import { readSqliteJournal } from "./sqlite-reader.ts";

const PROGRAM = join(import.meta.dirname, "journal-process.fixture.ts");
const ROWS = 30;
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "journal-"));
  path = join(folder, "coordination 100%.journal");
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Writes `count` commits and leaves the files as a clean end does, or as a crash does: with the log beside the file. */
function write(count: number, end: "close" | "crash"): void {
  const { journal, commits } = openSqliteJournal({
    path,
    codec: jsonCodec,
    tier: "coordination",
    journalId: "journal-1",
  });
  for (const _ of commits);
  for (const commit of numberedCommits(count)) {
    journal.append(commit, (error) => {
      if (error) throw error;
    });
  }
  const [file, log] = [readFileSync(path), readFileSync(`${path}-wal`)];
  journal.close();
  if (end === "close") return;
  writeFileSync(path, file);
  writeFileSync(`${path}-wal`, log);
}

/** Every file of the folder with its bytes and the time of its last change. */
function traces(): unknown {
  return readdirSync(folder).map((name) => {
    const file = join(folder, name);
    return { name, bytes: readFileSync(file).toString("base64"), mtimeNs: statSync(file, { bigint: true }).mtimeNs };
  });
}

/** Reads until the end or an error; nothing may have changed by then. */
function read(): { commits: Commit[]; error: unknown } {
  const before = traces();
  const commits: Commit[] = [];
  let error: unknown;
  try {
    const journal = readSqliteJournal({ path, codec: jsonCodec });
    try {
      for (const { seq, commit } of journal.commits) {
        expect(seq).toBe(commits.length + 1);
        commits.push(commit);
      }
    } finally {
      journal.close();
      journal.close();
    }
  } catch (thrown) {
    error = thrown;
  }
  expect(traces()).toEqual(before);
  return { commits, error };
}

describe("a sound journal", () => {
  test("that was closed is read whole", () => {
    write(ROWS, "close");
    expect(readdirSync(folder)).toHaveLength(1);
    expect(read()).toEqual({ commits: numberedCommits(ROWS), error: undefined });
  });

  test("that a crash left is read with its log", () => {
    write(ROWS, "crash");
    expect(readdirSync(folder)).toHaveLength(2);
    expect(read()).toEqual({ commits: numberedCommits(ROWS), error: undefined });
    // And a daemon finds it as it would have.
    const { journal, commits } = openSqliteJournal({
      path,
      codec: jsonCodec,
      tier: "coordination",
      journalId: "unused",
    });
    expect([...commits]).toEqual(numberedCommits(ROWS));
    journal.close();
  });

  test.each(["close", "crash"] as const)("says whose it is and where it stands (%s)", (end) => {
    write(ROWS, end);
    const { commits: _, close, bytes, ...facts } = readSqliteJournal({ path, codec: jsonCodec });
    close();
    const marks = { baseSeq: 0, headSeq: ROWS, headEngineTimeMs: 10 * ROWS, snapshot: undefined };
    expect(facts).toEqual({ journalId: "journal-1", tier: "coordination", format: 2, ...marks });
    expect(bytes).toBeGreaterThan(4_096);
  });

  test.each(["close", "crash"] as const)("may be read by somebody who may not write (%s)", async (end) => {
    write(ROWS, end);
    chmodSync(folder, 0o555);
    for (const name of readdirSync(folder)) chmodSync(join(folder, name), 0o444);
    const child = spawn(process.execPath, [PROGRAM, "read-as-stranger", path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe(`read ${ROWS}`);
    chmodSync(folder, 0o755);
  });

  test("with a log that holds nothing whole is read without it", () => {
    write(ROWS, "close");
    writeFileSync(`${path}-wal`, "");
    expect(read().commits).toHaveLength(ROWS);
    writeFileSync(`${path}-wal`, Buffer.alloc(20));
    expect(read().commits).toHaveLength(ROWS);
  });
});

describe("a journal in use", () => {
  test("by a daemon is refused with advice, also within the same process", async () => {
    write(ROWS, "close");
    const child = spawn(process.execPath, [PROGRAM, "append", path], { stdio: ["ignore", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    await lines.next();
    const refused = () => readSqliteJournal({ path, codec: jsonCodec });
    expect(refused).toThrow(expect.objectContaining({ reason: "in-use" }));
    expect(refused).toThrow(/stop it, or examine a copy/);
    child.kill("SIGKILL");
    while (!(await lines.next()).done);
    expect(read().error).toBeUndefined();
    const { journal } = openSqliteJournal({ path, codec: jsonCodec, tier: "coordination", journalId: "x" });
    expect(refused).toThrow(expect.objectContaining({ reason: "in-use" }));
    journal.close();
  });

  test("by a daemon that was started while it was read", () => {
    write(ROWS, "close");
    const { commits, close } = readSqliteJournal({ path, codec: jsonCodec });
    const rows = commits[Symbol.iterator]();
    rows.next();
    const copy = readFileSync(path);
    writeFileSync(path, copy);
    const rest = () => {
      while (!rows.next().done);
    };
    expect(rest).toThrow(/it was changed while it was read/);
    close();
  });
});

describe("a damaged journal", () => {
  test("is read up to the row that is damaged, which is named", () => {
    write(ROWS, "close");
    const database = new DatabaseSync(path);
    database.exec("UPDATE commits SET body = substr(body, 1, length(body) / 2) WHERE seq = 21");
    database.close();
    const { commits, error } = read();
    expect(commits).toEqual(numberedCommits(20));
    expect(error).toMatchObject({ reason: "corrupt", row: 21, path });
  });

  test("in its log is read up to there, and the log is named", () => {
    write(ROWS, "crash");
    const log = readFileSync(`${path}-wal`);
    const at = Math.floor(log.length / 2);
    log[at] = (log[at] ?? 0) ^ 1;
    writeFileSync(`${path}-wal`, log);
    const { commits, error } = read();
    expect(commits.length).toBeGreaterThan(3);
    expect(commits).toEqual(numberedCommits(commits.length));
    expect(error).toMatchObject({ reason: "corrupt", message: expect.stringContaining("later commits follow it") });
  });

  test("in what no row stands on is read whole before that is said", () => {
    write(ROWS, "close");
    const file = readFileSync(path);
    for (let page = 4_096; page < file.length; page += 4_096) {
      if (file[page] === 0x0d) file[page + 1] = (file[page + 1] ?? 0) ^ 1;
    }
    writeFileSync(path, file);
    const { commits, error } = read();
    expect(commits).toEqual(numberedCommits(ROWS));
    expect(error).toMatchObject({ reason: "corrupt", message: expect.stringContaining("its structure is damaged") });
  });

  test.each([
    { name: "no file", make: () => {}, reason: "no-access" },
    { name: "a folder", make: () => mkdirSync(path), reason: "not-a-journal" },
    { name: "an empty file", make: () => writeFileSync(path, ""), reason: "not-a-journal" },
    { name: "some text", make: () => writeFileSync(path, "some text".repeat(999)), reason: "not-a-journal" },
  ])("$name is refused as $reason", ({ make, reason }) => {
    make();
    expect(() => readSqliteJournal({ path, codec: jsonCodec })).toThrow(expect.objectContaining({ reason }));
  });

  test("a log without its file is refused", () => {
    write(ROWS, "crash");
    writeFileSync(path, "");
    expect(read().error).toMatchObject({ reason: "corrupt" });
  });

  test("a copy of a running journal, file and log, is read", () => {
    const opened = openSqliteJournal({ path, codec: jsonCodec, tier: "coordination", journalId: "journal-1" });
    for (const _ of opened.commits);
    opened.journal.append(numberedCommit(1), () => {});
    for (const end of ["", "-wal"]) copyFileSync(`${path}${end}`, `${path}.copy${end}`);
    opened.journal.close();
    path = `${path}.copy`;
    expect(read()).toEqual({ commits: numberedCommits(1), error: undefined });
    expect(read().error).not.toBeInstanceOf(JournalError);
  });
});
