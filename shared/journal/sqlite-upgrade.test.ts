/** Journals of format 1: read as they are, and brought up to the present format in place once all of it is proven. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { describeState } from "#budget";
import { eagerClock } from "./eager-clock.fixture.ts";
import { Ledger, ledgerCommits, ledgerState, realCodec, stateOf } from "./ledger.fixture.ts";
import { chainChecksum, chainStart } from "./row-chain.ts";
import { openSqliteJournal } from "./sqlite-journal.ts";
import { readSqliteJournal } from "./sqlite-reader.ts";

const ROWS = 25;
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "journal-"));
  path = join(folder, "coordination.journal");
  writeFormat1();
});

afterEach(() => rmSync(folder, { recursive: true }));

/** A file as version 0.1.0 wrote it. */
function writeFormat1(): void {
  const database = new DatabaseSync(path);
  const meta: [string, string][] = [
    ["format", "1"],
    ["journal_id", "journal-1"],
    ["tier", "coordination"],
  ];
  database.exec("PRAGMA journal_mode = WAL; PRAGMA application_id = 1112691538");
  database.exec(
    "CREATE TABLE chain (mark TEXT PRIMARY KEY, seq INTEGER NOT NULL, engine_time INTEGER NOT NULL, " +
      "checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID",
  );
  database.exec(
    "CREATE TABLE commits (seq INTEGER PRIMARY KEY, engine_time INTEGER NOT NULL, checksum INTEGER NOT NULL, " +
      "body BLOB NOT NULL) STRICT",
  );
  database.exec("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID");
  const put = database.prepare("INSERT INTO meta VALUES (?, ?)");
  for (const [key, value] of [...meta, ["checksum", String(crc32(JSON.stringify(meta)))] as const]) put.run(key, value);
  let last = chainStart("journal-1");
  const mark = database.prepare("INSERT INTO chain VALUES (?, ?, ?, ?)");
  mark.run("base", last.seq, last.engineTimeMs, last.checksum);
  const insert = database.prepare("INSERT INTO commits VALUES (?, ?, ?, ?)");
  for (const commit of ledgerCommits(ROWS)) {
    const [seq, { engineTimeMs }, body] = [last.seq + 1, commit, realCodec.encode(commit)];
    last = { seq, engineTimeMs, checksum: chainChecksum(last.checksum, { seq, engineTimeMs, body }) };
    insert.run(seq, engineTimeMs, last.checksum, body);
  }
  mark.run("head", last.seq, last.engineTimeMs, last.checksum);
  database.close();
}

function open() {
  return openSqliteJournal({ path, codec: realCodec, tier: "coordination", journalId: "unused", clock: eagerClock });
}

function format(): number {
  const { format: found, close } = readSqliteJournal({ path, codec: realCodec });
  close();
  return found;
}

test("it is read offline as it is", () => {
  const before = readFileSync(path);
  const { commits, format: found, journalId, close } = readSqliteJournal({ path, codec: realCodec });
  expect(Array.from(commits, ({ commit }) => commit)).toEqual(ledgerCommits(ROWS));
  expect({ found, journalId }).toEqual({ found: 1, journalId: "journal-1" });
  close();
  expect(readFileSync(path)).toEqual(before);
});

test("opened by a daemon it is upgraded, goes on, and can be compacted", async () => {
  const opened = open();
  const ledger = new Ledger();
  const state = stateOf(opened);
  while (ledger.count < ROWS) ledger.next();
  expect(describeState(state)).toEqual(describeState(ledger.state));
  opened.journal.append(ledger.next(), (error) => expect(error).toBeUndefined());
  opened.journal.close();
  expect(format()).toBe(2);
  const again = open();
  expect(again.journal.journalId).toBe("journal-1");
  expect(describeState(stateOf(again))).toEqual(ledgerState(ROWS + 1));
  expect(await new Promise((resolve) => again.journal.compact(resolve))).toBeUndefined();
  again.journal.close();
  const compacted = open();
  expect(describeState(stateOf(compacted))).toEqual(ledgerState(ROWS + 1));
  compacted.journal.close();
});

test("it is not upgraded before all of it is proven: a damaged one stays as it is", () => {
  const database = new DatabaseSync(path);
  database.exec("UPDATE commits SET checksum = 1 WHERE seq = 20");
  database.close();
  const before = readFileSync(path);
  const opened = open();
  expect(() => stateOf(opened)).toThrow(expect.objectContaining({ reason: "corrupt", row: 20 }));
  opened.journal.close();
  expect(readFileSync(path)).toEqual(before);
});

test("opened and closed without being read it stays as it is", () => {
  const before = readFileSync(path);
  open().journal.close();
  expect(readFileSync(path)).toEqual(before);
  expect(format()).toBe(1);
});
