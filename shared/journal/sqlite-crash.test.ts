/** A journal under a process that dies, and the log it leaves behind. The parent knows what was acknowledged. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Commit } from "#ports";
import { Prng } from "#std";
import { JournalError } from "./journal-error.ts";
import { jsonCodec, numberedCommit, numberedCommits } from "./json-codec.fixture.ts";
import { openSqliteJournal } from "./sqlite-journal.ts";

const PROGRAM = join(import.meta.dirname, "journal-process.fixture.ts");
const FRAME_BYTES = 24 + 4_096;
const seed = Math.floor(Math.random() * 2 ** 31);
const prng = new Prng(seed);

let folder: string;
let path: string;
let children: ChildProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "journal-"));
  path = join(folder, "coordination.journal");
  children = [];
});

afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

function open() {
  return openSqliteJournal({ path, codec: jsonCodec, tier: "coordination", journalId: "journal-of-a-test" });
}

function readAll(): Commit[] {
  const { journal, commits } = open();
  try {
    return [...commits];
  } finally {
    journal.close();
  }
}

/** Starts the fixture; `lines` is what it says, line by line. A shell `before` runs in the same process first. */
function start(mode: string, options: { before?: string; last?: number } = {}) {
  const { before = "", last } = options;
  const command = `${before} exec "$0" "$@"`;
  const args = ["-c", command, process.execPath, PROGRAM, mode, path, ...(last === undefined ? [] : [String(last)])];
  const child = spawn("/bin/sh", args, {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

/**
 * Runs `append` and kills it with SIGKILL once it has acknowledged `count` commits more; with `exactly` it appends no
 * further than that. Returns the number that it read and the last that it acknowledged.
 */
async function appendAndKill(count: number, exactly = false): Promise<{ read: number; acknowledged: number }> {
  const { child, lines } = start("append", exactly ? { last: count } : {});
  const read = Number(String((await lines.next()).value).split(" ")[1]);
  let acknowledged = read;
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    acknowledged = Number(line.value);
    if (acknowledged === read + count) child.kill("SIGKILL");
  }
  return { read, acknowledged };
}

describe("kill -9", () => {
  test("what is recovered is a prefix, at least all that was acknowledged, over many deaths of one file", async () => {
    let before = 0;
    for (let round = 0; round < 8; round++) {
      const { read, acknowledged } = await appendAndKill(1 + prng.below(400));
      expect(read, `seed ${seed}`).toBeGreaterThanOrEqual(before);
      const recovered = readAll();
      expect(recovered.length, `seed ${seed}`).toBeGreaterThanOrEqual(acknowledged);
      expect(recovered.length, `seed ${seed}`).toBeLessThanOrEqual(acknowledged + 2);
      expect(recovered).toEqual(numberedCommits(recovered.length));
      before = recovered.length;
    }
  });

  test("a held journal is refused by name to another process, and free at once when its holder is killed", async () => {
    const { child, lines } = start("hold");
    expect((await lines.next()).value).toBe("open");
    expect(open).toThrow(expect.objectContaining({ reason: "in-use", path }));
    child.kill("SIGKILL");
    expect((await lines.next()).done).toBe(true);
    expect(readAll()).toEqual([]);
  });

  test("a journal that is being written is in use, never taken for damaged, and its writer goes on", async () => {
    const { child, lines } = start("append");
    await lines.next();
    let acknowledged = 0;
    for (let line = await lines.next(); !line.done; line = await lines.next()) {
      acknowledged = Number(line.value);
      if (acknowledged <= 60) expect(open).toThrow(expect.objectContaining({ reason: "in-use" }));
      else child.kill("SIGKILL");
    }
    expect(acknowledged).toBeGreaterThan(60);
    expect(readAll().length).toBeGreaterThanOrEqual(acknowledged);
  });
});

test("a log that looks damaged while its owner writes it is in use, not corrupt", async () => {
  const { child, lines } = start("append", { last: 20 });
  for (let line = await lines.next(); line.value !== "20"; line = await lines.next()) expect(line.done).toBe(false);
  const log = openSync(`${path}-wal`, "r+");
  writeSync(log, Buffer.alloc(500, 7), 0, 500, 32 + 3 * FRAME_BYTES);
  closeSync(log);
  expect(open).toThrow(expect.objectContaining({ reason: "in-use" }));
  child.kill("SIGKILL");
  expect((await lines.next()).done).toBe(true);
  expect(open).toThrow(expect.objectContaining({ reason: "corrupt" }));
});

describe("the log a crash leaves", () => {
  const WRITTEN = 40;
  let whole: Buffer;

  /** Puts back the files as the crash left them, with `log` as the log. */
  function restore(log: Buffer): void {
    copyFileSync(`${path}.crashed`, path);
    writeFileSync(`${path}-wal`, log);
  }

  /** How many commits come back, or undefined when the damage is named. */
  function recoveredFrom(log: Buffer): number | undefined {
    restore(log);
    try {
      const commits = readAll();
      expect(commits).toEqual(numberedCommits(commits.length));
      return commits.length;
    } catch (error) {
      expect(error).toMatchObject({ reason: "corrupt", path });
      return undefined;
    }
  }

  beforeEach(async () => {
    await appendAndKill(WRITTEN, true);
    copyFileSync(path, `${path}.crashed`);
    whole = readFileSync(`${path}-wal`);
    expect((whole.length - 32) % FRAME_BYTES).toBe(0);
    expect(recoveredFrom(whole)).toBe(WRITTEN);
  });

  test("cut off anywhere, it gives back a prefix and no refusal", () => {
    for (let round = 0; round < 25; round++) {
      restore(whole);
      const bytes = 1 + prng.below(whole.length);
      truncateSync(`${path}-wal`, bytes);
      const commits = readAll();
      expect(commits, `cut at ${bytes}, seed ${seed}`).toEqual(numberedCommits(commits.length));
      expect(commits.length).toBeLessThanOrEqual(WRITTEN);
    }
  });

  test("one flipped bit is named, unless it lies where a torn last write would", () => {
    let named = 0;
    for (let round = 0; round < 60; round++) {
      const log = Buffer.from(whole);
      const byte = prng.below(log.length);
      log[byte] = (log[byte] ?? 0) ^ (1 << prng.below(8));
      const recovered = recoveredFrom(log);
      if (recovered === undefined) named++;
      else expect(recovered, `byte ${byte} of ${log.length}, seed ${seed}`).toBeGreaterThanOrEqual(WRITTEN - 2);
    }
    expect(named).toBeGreaterThan(30);
  });

  test.each([
    { name: "its header", from: 0, bytes: 1 },
    { name: "a salt of the header", from: 17, bytes: 1 },
    { name: "a page of an early frame", from: 32 + 2 * FRAME_BYTES + 500, bytes: 1 },
    { name: "the page number of a frame", from: 32 + 4 * FRAME_BYTES + 3, bytes: 1 },
    { name: "the commit mark of a frame", from: 32 + 4 * FRAME_BYTES + 7, bytes: 1 },
    { name: "a salt of a frame", from: 32 + 4 * FRAME_BYTES + 9, bytes: 1 },
    { name: "a checksum of a frame", from: 32 + 4 * FRAME_BYTES + 17, bytes: 1 },
    { name: "three whole frames", from: 32 + 4 * FRAME_BYTES, bytes: 3 * FRAME_BYTES },
  ])("damage to $name is named, and the files stay for examination", ({ from, bytes }) => {
    const log = Buffer.from(whole);
    for (let at = from; at < from + bytes; at++) log[at] = ~(log[at] ?? 0);
    expect(recoveredFrom(log)).toBeUndefined();
    expect(readFileSync(`${path}-wal`)).toEqual(log);
    expect(recoveredFrom(log), "and again").toBeUndefined();
    expect(readFileSync(path)).toEqual(readFileSync(`${path}.crashed`));
  });

  test("opening folds it into the file, so that it holds no leftovers when the next commit is written", () => {
    restore(whole);
    const { journal } = open();
    expect(statSync(`${path}-wal`).size).toBe(0);
    journal.close();
  });

  test("a torn last transaction is no damage: the commits before it come back", () => {
    const log = Buffer.from(whole);
    log[log.length - 1] = ~(log[log.length - 1] ?? 0);
    expect(recoveredFrom(log)).toBe(WRITTEN - 1);
  });
});

describe("a disk or a folder that does not let us", () => {
  test("a write error ends the journal by name and keeps what was acknowledged", async () => {
    // The shell bounds the size of a file, and without the signal the write beyond it fails: a true I/O error.
    const { lines } = start("append", { before: "trap '' XFSZ; ulimit -f 2000;" });
    await lines.next();
    let acknowledged = 0;
    let last = "";
    for (let line = await lines.next(); !line.done; line = await lines.next()) {
      last = line.value;
      if (!last.startsWith("failed")) acknowledged = Number(last);
    }
    expect(last).toBe("failed io-error");
    const recovered = readAll();
    expect(recovered.length).toBeGreaterThanOrEqual(acknowledged);
    expect(recovered).toEqual(numberedCommits(recovered.length));
  });

  test("a folder without permission is refused by name", async () => {
    chmodSync(folder, 0o500);
    const { lines } = start("open-as-stranger");
    expect((await lines.next()).value).toBe("refused no-access");
    chmodSync(folder, 0o700);
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });

  test("a file without permission is refused by name", async () => {
    const { journal, commits } = open();
    expect([...commits]).toEqual([]);
    journal.append(numberedCommit(1), (error) => expect(error).toBeUndefined());
    journal.close();
    chmodSync(folder, 0o777);
    chmodSync(path, 0o400);
    const { lines } = start("open-as-stranger");
    expect((await lines.next()).value).toBe("refused no-access");
    chmodSync(path, 0o600);
    expect(readAll()).toEqual([numberedCommit(1)]);
  });

  test("the error type crosses the room as a class", () => {
    writeFileSync(path, "no journal".repeat(1_000));
    expect(open).toThrow(JournalError);
  });
});
