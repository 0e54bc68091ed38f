/** Compaction on real files with the real worker: what is read back is the same state, and the file does not grow for ever. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { describeState } from "#budget";
import type { CompactionReport } from "./compaction.ts";
import { eagerClock } from "./eager-clock.fixture.ts";
import { Ledger, ledgerState, realCodec, stateOf } from "./ledger.fixture.ts";
import { SnapshotFold } from "./snapshot-fold.ts";
import { openSqliteJournal, type SqliteJournal, type SqliteJournalOptions } from "./sqlite-journal.ts";
import { readIdentity, readMarks } from "./sqlite-tables.ts";

let folder: string;
let path: string;
let opened: SqliteJournal[];
let reports: CompactionReport[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "journal-"));
  path = join(folder, "coordination.journal");
  opened = [];
  reports = [];
});

afterEach(() => {
  for (const journal of opened) journal.close();
  rmSync(folder, { recursive: true });
});

/** Opens, rebuilds the state, and gives its description. */
function open(options: Partial<SqliteJournalOptions> = {}) {
  const onCompaction = (report: CompactionReport) => reports.push(report);
  const whose = { path, codec: realCodec, tier: "coordination", journalId: "journal-1" };
  const result = openSqliteJournal({ ...whose, clock: eagerClock, onCompaction, ...options });
  opened.push(result.journal);
  return { ...result, state: describeState(stateOf(result)) };
}

/** Appends the next `count` commits of the ledger; all must become durable. */
function append(journal: SqliteJournal, ledger: Ledger, count: number): void {
  for (let n = 0; n < count; n++) {
    journal.append(ledger.next(), (error) => {
      if (error) throw error;
    });
  }
}

function compacted(journal: SqliteJournal): Promise<Error | undefined> {
  return new Promise((resolve) => journal.compact(resolve));
}

function tableCounts(): { commits: unknown; parts: unknown; generations: unknown } {
  const database = new DatabaseSync(path);
  try {
    const count = (what: string) => Object.values(database.prepare(`SELECT count(*) FROM ${what}`).get() ?? {})[0];
    return { commits: count("commits"), parts: count("snapshot_parts"), generations: count("snapshots") };
  } finally {
    database.close();
  }
}

describe("a compaction", () => {
  test("leaves the same state, in a snapshot and without the rows it stands for", async () => {
    const ledger = new Ledger();
    const { journal } = open();
    append(journal, ledger, 120);
    expect(await compacted(journal)).toBeUndefined();
    expect(reports).toEqual([expect.objectContaining({ ok: true, commits: 120, seq: 120 })]);
    append(journal, ledger, 7);
    journal.close();
    expect(tableCounts()).toEqual({ commits: 7, parts: 1, generations: 1 });
    const again = open();
    expect(again.snapshot).toBeDefined();
    expect([...again.commits]).toHaveLength(7);
    expect(again.state).toEqual(ledgerState(127));
  });

  test("goes on while commits come, which stay beside the snapshot", async () => {
    const ledger = new Ledger();
    const { journal } = open();
    append(journal, ledger, 200);
    const done = compacted(journal);
    let meanwhile = 0;
    let ended = false;
    void done.then(() => {
      ended = true;
    });
    while (!ended) {
      append(journal, ledger, 1);
      meanwhile++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await done).toBeUndefined();
    journal.close();
    const [report] = reports;
    const again = open();
    const beside = [...again.commits].length;
    expect(beside).toBeGreaterThan(5);
    expect(report).toMatchObject({ ok: true, seq: 200 + meanwhile - beside });
    expect(again.state).toEqual(ledgerState(200 + meanwhile));
  });

  test("folds on top of the snapshot before, and of nothing when there is nothing new", async () => {
    const ledger = new Ledger();
    const { journal } = open();
    for (let round = 0; round < 4; round++) {
      append(journal, ledger, 30);
      expect(await compacted(journal)).toBeUndefined();
    }
    expect(await compacted(journal)).toBeUndefined();
    expect(reports).toHaveLength(4);
    journal.close();
    expect(tableCounts()).toEqual({ commits: 0, parts: 1, generations: 1 });
    const again = open();
    expect(again.state).toEqual(ledgerState(120));
    append(again.journal, ledger, 1);
  });

  test("asked for twice at once, runs twice, one after the other", async () => {
    const ledger = new Ledger();
    const { journal } = open();
    append(journal, ledger, 30);
    const first = compacted(journal);
    await new Promise((resolve) => setImmediate(resolve));
    append(journal, ledger, 30);
    expect([await first, await compacted(journal)]).toEqual([undefined, undefined]);
    expect(reports.map((report) => report.ok && report.commits)).toEqual([30, 30]);
  });

  test("starts by itself when enough has come, and then when that much has come again", async () => {
    const ledger = new Ledger();
    const { journal } = open({ compactAfterBytes: 20_000 });
    for (let turn = 0; reports.length < 3 && turn < 200_000; turn++) {
      if (turn % 4 === 0) append(journal, ledger, 1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(reports.map(({ ok }) => ok)).toEqual([true, true, true]);
    journal.close();
    expect(open().state).toEqual(ledgerState(ledger.count));
  });

  test("of many leaves a file that does not grow", async () => {
    // Steps of a minute, so that what is remembered of ended requests does not grow; of closed children the latest thousand are kept.
    const ledger = new Ledger({ stepMs: 60_000 });
    const { journal } = open();
    const sizes: number[] = [];
    for (let round = 0; round < 8; round++) {
      append(journal, ledger, 400);
      expect(await compacted(journal)).toBeUndefined();
      sizes.push(statSync(path).size);
    }
    expect(Math.max(...sizes.slice(4))).toBeLessThan(1.2 * (sizes[3] ?? 0));
  });
});

describe("a compaction that does not come to its end", () => {
  test("closing gives it up; what was written of it is dropped at the next opening", async () => {
    const ledger = new Ledger();
    const { journal } = open();
    append(journal, ledger, 100);
    const done = compacted(journal);
    journal.close();
    expect(await done).toMatchObject({ reason: "stopped" });
    expect(reports).toEqual([]);
    const database = new DatabaseSync(path);
    database.exec("INSERT INTO snapshot_parts VALUES (1, 1, 77, x'0102'), (2, 1, 77, x'0102')");
    database.close();
    const again = open();
    expect(again.state).toEqual(ledgerState(100));
    expect(await compacted(again.journal)).toBeUndefined();
    again.journal.close();
    expect(tableCounts()).toEqual({ commits: 0, parts: 1, generations: 1 });
    expect(open().state).toEqual(ledgerState(100));
  });

  test("rows that a crash left below the base mean nothing and are dropped", async () => {
    const ledger = new Ledger();
    const { journal } = open();
    append(journal, ledger, 50);
    expect(await compacted(journal)).toBeUndefined();
    journal.close();
    const database = new DatabaseSync(path);
    database.exec("INSERT INTO commits VALUES (49, 490, 1, x'00'), (50, 500, 1, x'00')");
    database.close();
    const again = open();
    expect(again.state).toEqual(ledgerState(50));
    append(again.journal, ledger, 3);
    expect(await compacted(again.journal)).toBeUndefined();
    again.journal.close();
    expect(tableCounts().commits).toBe(0);
  });

  test("a damaged row is named, never folded into what replaces it", async () => {
    const { journal } = open();
    append(journal, new Ledger(), 60);
    journal.close();
    const database = new DatabaseSync(path);
    database.exec("UPDATE commits SET checksum = 1 WHERE seq = 33");
    const marks = readMarks(database, readIdentity(database, path), path);
    const where = { path, database, journalId: "journal-1", hashSeed: 7, clock: eagerClock, ...marks, to: marks.head };
    const result = await new Promise((done) => new SnapshotFold({ ...where, done }));
    expect(result).toMatchObject({ reason: "corrupt", row: 33 });
    database.close();
    expect(tableCounts()).toEqual({ commits: 60, parts: 0, generations: 0 });
  });

  /** A journal of 60 commits, of which row 33 is in the log only and stays there as long as `release` is not called. */
  function withRowInLogOnly() {
    const { journal } = open();
    append(journal, new Ledger(), 60);
    journal.close();
    const database = new DatabaseSync(path);
    const row = database.prepare("SELECT * FROM commits WHERE seq = 33").get();
    database.exec("DELETE FROM commits WHERE seq = 33; PRAGMA wal_checkpoint(TRUNCATE)");
    const reader = new DatabaseSync(path);
    reader.exec("BEGIN; SELECT count(*) FROM commits");
    database.prepare("INSERT INTO commits VALUES (:seq, :engine_time, :checksum, :body)").run({ ...row });
    const marks = readMarks(database, readIdentity(database, path), path);
    const where = { path, database, journalId: "journal-1", hashSeed: 7, ...marks, to: marks.head };
    return { where, release: () => reader.close() };
  }

  test("what the worker does not find is looked into by the owner, and read again", async () => {
    const { where, release } = withRowInLogOnly();
    let slices = 0;
    const clock: typeof eagerClock = {
      after: (delayMs, action) => {
        slices += 1;
        if (slices === 3) release(); // the worker was started, has not found it, and what there is was proven
        return eagerClock.after(delayMs, action);
      },
    };
    const result = await new Promise((done) => new SnapshotFold({ ...where, clock, done }));
    expect(result).toEqual({
      snapshot: expect.objectContaining({ generation: 1, parts: 1 }),
      bytes: expect.any(Number),
    });
    expect(slices).toBe(5);
    where.database.close();
    expect(open().state).toEqual(ledgerState(60));
  });

  test("it is given up when the worker never finds what is there", async () => {
    const { where, release } = withRowInLogOnly();
    const result = await new Promise((done) => new SnapshotFold({ ...where, clock: eagerClock, done }));
    expect(result).toMatchObject({
      message: expect.stringMatching(/does not find in the file what is there: .*row 33/),
    });
    release();
    where.database.close();
    expect(tableCounts()).toEqual({ commits: 60, parts: 0, generations: 0 });
    expect(open().state).toEqual(ledgerState(60));
  });

  test("a commit that the worker cannot read fails it, not the journal", async () => {
    const codec = { ...realCodec, encode: () => new TextEncoder().encode("no commit at all") };
    const ledger = new Ledger();
    const { journal } = open({ codec });
    append(journal, ledger, 2);
    expect(await compacted(journal)).toMatchObject({ reason: "not-compacted" });
    append(journal, ledger, 1);
    expect(reports.map(({ ok }) => ok)).toEqual([false]);
  });

  test("no room for it: it fails, and the commits after it take the room that it had", async () => {
    const ledger = new Ledger({ openMax: 10_000 });
    const { journal } = open({ compactAfterBytes: 1e9 });
    append(journal, ledger, 1_500);
    journal.close();
    const pagesMax = Math.ceil(statSync(path).size / 4_096) + 30;
    const tight = open({ pagesMax, compactAfterBytes: 1e9 });
    expect(await compacted(tight.journal)).toMatchObject({ reason: "disk-full" });
    append(tight.journal, ledger, 100);
    tight.journal.close();
    expect(open().state).toEqual(describeState(ledger.state));
  });

  test("a commit that finds no room takes that of what is unfinished", () => {
    const ledger = new Ledger();
    const { journal } = open();
    append(journal, ledger, 50);
    journal.close();
    const database = new DatabaseSync(path);
    database.exec("INSERT INTO snapshot_parts VALUES (1, 1, 77, zeroblob(400000))");
    database.close();
    const pagesMax = statSync(path).size / 4_096;
    const tight = open({ pagesMax });
    append(tight.journal, ledger, 200); // before the left-over's first slice: no turn is taken
    expect(reports).toEqual([{ ok: false, error: expect.objectContaining({ reason: "disk-full" }) }]);
    tight.journal.close();
    expect(tableCounts()).toEqual({ commits: 250, parts: 0, generations: 0 });
    expect(open().state).toEqual(ledgerState(250));
  });
});
