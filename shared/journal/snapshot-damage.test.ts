/** Damage to a journal with a snapshot, bits that flip anywhere, and files that do not belong together: named, or without effect. */
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isDeepStrictEqual } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { describeState } from "#budget";
import { Prng } from "#std";
import { eagerClock } from "./eager-clock.fixture.ts";
import { JournalError } from "./journal-error.ts";
import { Ledger, ledgerState, realCodec, stateOf } from "./ledger.fixture.ts";
import { partChecksum, snapshotChainStart } from "./row-chain.ts";
import { openSqliteJournal, type SqliteJournal } from "./sqlite-journal.ts";
import { readSqliteJournal } from "./sqlite-reader.ts";
import { readIdentity, readMarks } from "./sqlite-tables.ts";

const FOLDED = 60;
const AFTER = 8;
/** Holds the files that every test starts from: journals a and b, each with a snapshot and rows after it. */
let ground: string;
let folder: string;
let path: string;

function openAt(file: string, journalId: string) {
  return openSqliteJournal({ path: file, codec: realCodec, tier: "coordination", journalId, clock: eagerClock });
}

function append(journal: SqliteJournal, ledger: Ledger, count: number): void {
  for (let n = 0; n < count; n++) {
    journal.append(ledger.next(), (error) => {
      if (error) throw error;
    });
  }
}

/** Makes a journal of FOLDED folded and AFTER more commits, and beside it a copy `….crashed` with its log, as after a crash. */
async function make(file: string, journalId: string): Promise<void> {
  const ledger = new Ledger();
  const opened = openAt(file, journalId);
  stateOf(opened);
  append(opened.journal, ledger, FOLDED);
  const error = await new Promise((resolve) => opened.journal.compact(resolve));
  expect(error).toBeUndefined();
  append(opened.journal, ledger, AFTER);
  for (const end of ["", "-wal"]) copyFileSync(`${file}${end}`, `${file}.crashed${end}`);
  opened.journal.close();
}

beforeAll(async () => {
  ground = mkdtempSync(join(tmpdir(), "journal-"));
  await make(join(ground, "a"), "journal-a");
  await make(join(ground, "b"), "journal-b");
});
afterAll(() => rmSync(ground, { recursive: true }));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "journal-"));
  path = join(folder, "journal");
  copyFileSync(join(ground, "a"), path);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What reading as a daemon gives: the state, or the refusal. */
function recovered(): unknown {
  let journal: SqliteJournal | undefined;
  try {
    const opened = openSqliteJournal({ path, codec: realCodec, tier: "coordination", journalId: "unused" });
    journal = opened.journal;
    return describeState(stateOf(opened));
  } catch (error) {
    return error;
  } finally {
    journal?.close();
  }
}

/** The same offline. */
function readBack(): unknown {
  let close = () => {};
  try {
    const read = readSqliteJournal({ path, codec: realCodec });
    close = read.close;
    const commits = (function* () {
      for (const { commit } of read.commits) yield commit;
    })();
    return describeState(stateOf({ snapshot: read.snapshot, commits }));
  } catch (error) {
    return error;
  } finally {
    close();
  }
}

function sql(statements: string): void {
  const database = new DatabaseSync(path);
  database.exec(statements);
  database.close();
}

test("undamaged it reads back, either way", () => {
  expect(readBack()).toEqual(ledgerState(FOLDED + AFTER));
  expect(recovered()).toEqual(ledgerState(FOLDED + AFTER));
});

describe("a snapshot changed behind the journal's back", () => {
  test.each([
    { name: "half a part", damage: "UPDATE snapshot_parts SET body = substr(body, 1, length(body) / 2)", part: 1 },
    { name: "an empty part", damage: "UPDATE snapshot_parts SET body = x''", part: 1 },
    { name: "a changed checksum", damage: "UPDATE snapshot_parts SET checksum = checksum + 1", part: 1 },
    { name: "its only part missing", damage: "DELETE FROM snapshot_parts", part: 1 },
    { name: "one part too many", damage: "INSERT INTO snapshot_parts VALUES (1, 2, 5, x'00')", part: 2 },
    { name: "a count of parts that is too large", damage: "UPDATE snapshots SET parts = 2", part: 2 },
    { name: "a count of parts that is zero", damage: "UPDATE snapshots SET parts = 0", part: 0 },
    { name: "another checksum of the whole", damage: "UPDATE snapshots SET checksum = 1", part: 1 },
    { name: "another generation", damage: "UPDATE snapshots SET generation = 7", part: 1 },
    {
      name: "another generation, parts and all",
      damage: "UPDATE snapshots SET generation = 7; UPDATE snapshot_parts SET generation = 7",
      part: 1,
    },
    { name: "a base at another row", damage: "UPDATE chain SET seq = 61 WHERE mark = 'base'", part: 1 },
    { name: "a base at another time", damage: "UPDATE chain SET engine_time = 1 WHERE mark = 'base'", part: 1 },
    { name: "a base with another checksum", damage: "UPDATE chain SET checksum = 1 WHERE mark = 'base'", part: 1 },
  ])("$name is named", ({ damage, part }) => {
    sql(damage);
    expect(readBack()).toMatchObject({ reason: "corrupt", part });
    expect(recovered()).toMatchObject({ reason: "corrupt", part, path });
  });

  test.each([
    { name: "no snapshot named", damage: "DELETE FROM snapshots", says: "nor that of a snapshot" },
    { name: "two snapshots named", damage: "INSERT INTO snapshots VALUES (2, 1, 1)", says: "it names 2 snapshots" },
    { name: "a mark missing", damage: "DELETE FROM chain WHERE mark = 'base'", says: "its mark base is unreadable" },
    {
      name: "a mark of another journal",
      damage: "UPDATE chain SET journal_id = 'journal-b' WHERE mark = 'head'",
      says: "that of the journal journal-b, the file is journal-a",
    },
  ])("$name is named", ({ damage, says }) => {
    sql(damage);
    expect(recovered()).toMatchObject({ reason: "corrupt", message: expect.stringContaining(says) });
  });

  test("the first row after the base missing is named", () => {
    sql(`DELETE FROM commits WHERE seq = ${FOLDED + 1}`);
    expect(recovered()).toMatchObject({ reason: "corrupt", row: FOLDED + 1 });
  });

  test("nothing is appended to a journal whose snapshot was not read", () => {
    const opened = openAt(path, "unused");
    expect([...opened.commits]).toHaveLength(AFTER);
    expect(() => opened.journal.append(new Ledger().next(), () => {})).toThrow("read the journal's snapshot");
    opened.journal.close();
  });
});

describe("from the future", () => {
  /** Puts another body in place of the snapshot's only part, with checksums that fit. */
  function replacePart(change: (body: Uint8Array) => Uint8Array): void {
    const database = new DatabaseSync(path);
    const identity = readIdentity(database, path);
    const { base, snapshot } = readMarks(database, identity, path);
    const generation = snapshot?.generation ?? 0;
    const body = change(database.prepare("SELECT body FROM snapshot_parts").get()?.body as Uint8Array);
    const checksum = partChecksum(snapshotChainStart({ ...identity, generation, base }), 1, body);
    database.prepare("UPDATE snapshot_parts SET body = ?, checksum = ?").run(body, checksum);
    database.prepare("UPDATE snapshots SET checksum = ?").run(checksum);
    database.close();
  }

  test("a snapshot of a newer format is refused as that, and the file is left as it is", () => {
    replacePart((body) => Uint8Array.of(body[0] ?? 0, 99, ...body.subarray(2)));
    const before = readFileSync(path);
    expect(readBack()).toMatchObject({ reason: "newer-version", part: 1 });
    expect(recovered()).toMatchObject({ reason: "newer-version", part: 1 });
    expect(readFileSync(path)).toEqual(before);
    expect(existsSync(`${path}-wal`)).toBe(false);
  });

  test("a snapshot that is none is damage, though its checksums fit", () => {
    replacePart(() => new TextEncoder().encode("no snapshot"));
    expect(recovered()).toMatchObject({ reason: "corrupt", part: 1 });
  });
});

describe("files that do not belong together", () => {
  /** Attaches journal b as `other`. */
  const withOther = (statements: string) => sql(`ATTACH '${join(ground, "b")}' AS other; ${statements}`);
  const crashed = (name: string) => join(ground, `${name}.crashed`);

  test.each([
    {
      name: "the snapshot",
      statements: "DELETE FROM snapshot_parts; INSERT INTO snapshot_parts SELECT * FROM other.snapshot_parts",
    },
    {
      name: "the snapshot and its mark",
      statements:
        "DELETE FROM snapshot_parts; INSERT INTO snapshot_parts SELECT * FROM other.snapshot_parts; " +
        "DELETE FROM snapshots; INSERT INTO snapshots SELECT * FROM other.snapshots",
    },
    { name: "the rows", statements: "DELETE FROM commits; INSERT INTO commits SELECT * FROM other.commits" },
    { name: "the marks", statements: "DELETE FROM chain; INSERT INTO chain SELECT * FROM other.chain" },
    {
      name: "all but the name",
      statements: ["chain", "commits", "snapshots", "snapshot_parts"]
        .map((table) => `DELETE FROM ${table}; INSERT INTO ${table} SELECT * FROM other.${table}`)
        .join("; "),
    },
  ])("$name of another journal is named", ({ statements }) => {
    withOther(statements);
    expect(recovered()).toMatchObject({ reason: "corrupt" });
  });

  test("the log of another journal is refused before it is laid over the file, which stays as it was", () => {
    copyFileSync(`${crashed("b")}-wal`, `${path}-wal`);
    const before = [readFileSync(path), readFileSync(`${path}-wal`)];
    expect(recovered()).toMatchObject({ reason: "corrupt", message: expect.stringContaining("journal-b") });
    expect(readBack()).toMatchObject({ reason: "corrupt" });
    expect([readFileSync(path), readFileSync(`${path}-wal`)]).toEqual(before);
  });

  test("an older log of the same journal is refused, and the file stays as it was", () => {
    const opened = openAt(path, "unused");
    stateOf(opened);
    append(opened.journal, Ledger.after({ engineTimeMs: 70 * 60_000 }), 1);
    opened.journal.close();
    copyFileSync(`${crashed("a")}-wal`, `${path}-wal`);
    const before = readFileSync(path);
    expect(recovered()).toMatchObject({ reason: "corrupt", message: expect.stringContaining("it is older") });
    expect(readFileSync(path)).toEqual(before);
  });

  test("the log of the same journal at the same place changes nothing", () => {
    copyFileSync(`${crashed("a")}-wal`, `${path}-wal`);
    expect(recovered()).toEqual(ledgerState(FOLDED + AFTER));
  });
});

describe("bits and ends", () => {
  const expected = () => ledgerState(FOLDED + AFTER);

  /** The damaged file is refused by name, or reads as if nothing had happened. */
  function check(read: () => unknown, whole: Buffer, flipped: { byte: number; bit: number }, state: unknown): boolean {
    const damaged = Buffer.from(whole);
    damaged[flipped.byte] = (damaged[flipped.byte] ?? 0) ^ (1 << flipped.bit);
    writeFileSync(path, damaged);
    const result = read();
    if (result instanceof JournalError) return true;
    if (isDeepStrictEqual(result, state)) return false;
    throw new Error(`bit ${flipped.bit} of byte ${flipped.byte} is not found`, { cause: result });
  }

  test("one flipped bit is named or has no effect, wherever it is", { timeout: 120_000 }, () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const prng = new Prng(seed);
    const whole = readFileSync(path);
    const state = expected();
    let found = 0;
    try {
      for (let byte = 0; byte < whole.length; byte++) {
        // Most of the file is zeros that nothing reads: of these, and of what is written, a sample each.
        if (prng.below(whole[byte] === 0 ? 160 : 16) > 0) continue;
        if (check(readBack, whole, { byte, bit: prng.below(8) }, state)) found++;
      }
      for (let round = 0; round < 100; round++) {
        check(recovered, whole, { byte: prng.below(whole.length), bit: prng.below(8) }, state);
      }
    } catch (cause) {
      throw new Error(`seed ${seed}`, { cause });
    }
    expect(found).toBeGreaterThan(300);
  });

  test("a file cut off anywhere is refused, unless only unused space is gone", () => {
    const prng = new Prng(7);
    const whole = readFileSync(path);
    const state = expected();
    let refused = 0;
    for (let round = 0; round < 30; round++) {
      const bytes = round < whole.length / 4_096 - 1 ? 4_096 * (round + 1) : 1 + prng.below(whole.length - 1);
      if (bytes >= whole.length) continue;
      writeFileSync(path, whole.subarray(0, bytes));
      const result = recovered();
      if (result instanceof JournalError) refused++;
      else expect(result, `${bytes} bytes`).toEqual(state);
    }
    expect(refused).toBeGreaterThan(20);
  });
});
