/**
 * What stands in a journal's file, in every format that this release knows.
 *
 * `meta` says whose file it is, under its own checksum; meta and its checksum rule are the same in every format, so that every release
 * can say what it cannot read. `commits` has one row per commit. `chain` marks where the rows begin (`base`: the last commit that is
 * folded into the snapshot, or the chain's start) and end (`head`). Format 2 adds snapshots: `snapshot_parts` holds their bytes,
 * `snapshots` names the one that stands for everything up to the base, and the marks name their journal, so that a foreign log is known.
 * Rows up to the base, and parts of generations that `snapshots` does not name, are left-overs without a meaning.
 */
import type { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { JournalError } from "./journal-error.ts";
import { type ChainMark, chainStart } from "./row-chain.ts";

/** The format this release writes. It reads this one and 1, which it brings up to this one once all of it is proven. */
export const JOURNAL_FORMAT = 2;

/** Marks the file as a Bursar journal in SQLite's own header ("BRSR"). */
const APPLICATION_ID = 0x42525352;

const COMMITS =
  "CREATE TABLE commits (seq INTEGER PRIMARY KEY, engine_time INTEGER NOT NULL, checksum INTEGER NOT NULL, " +
  "body BLOB NOT NULL) STRICT";
const META = "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID";
const CHAIN_1 =
  "CREATE TABLE chain (mark TEXT PRIMARY KEY, seq INTEGER NOT NULL, engine_time INTEGER NOT NULL, " +
  "checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID";
const CHAIN =
  "CREATE TABLE chain (mark TEXT PRIMARY KEY, journal_id TEXT NOT NULL, seq INTEGER NOT NULL, " +
  "engine_time INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID";
const SNAPSHOT_PARTS =
  "CREATE TABLE snapshot_parts (generation INTEGER NOT NULL, part INTEGER NOT NULL, checksum INTEGER NOT NULL, " +
  "body BLOB NOT NULL, PRIMARY KEY (generation, part)) STRICT, WITHOUT ROWID";
const SNAPSHOTS =
  "CREATE TABLE snapshots (generation INTEGER PRIMARY KEY, parts INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT";

/** Per format, word for word as SQLite keeps them, by name: a bit flipped in a definition changes what rows mean. */
const TABLES: ReadonlyMap<number, readonly string[]> = new Map([
  [1, [CHAIN_1, COMMITS, META]],
  [JOURNAL_FORMAT, [CHAIN, COMMITS, META, SNAPSHOT_PARTS, SNAPSHOTS]],
]);

/** Whose file it is. */
export interface Identity {
  readonly format: number;
  readonly journalId: string;
  readonly tier: string;
}

/** The snapshot that stands for all commits up to the base. */
export interface SnapshotMark {
  /** Counts up with every snapshot that was begun. */
  readonly generation: number;
  /** How many parts it has, at least 1. */
  readonly parts: number;
  /** That of its last part. */
  readonly checksum: number;
}

export interface Marks {
  readonly base: ChainMark;
  readonly head: ChainMark;
  /** Undefined while nothing was folded. */
  readonly snapshot: SnapshotMark | undefined;
}

/** Lays the tables of a new journal; to be called within a transaction. */
export function createTables(database: DatabaseSync, identity: Omit<Identity, "format">): void {
  const { journalId, tier } = identity;
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  for (const table of TABLES.get(JOURNAL_FORMAT) ?? []) database.exec(table);
  putMeta(database, { format: JOURNAL_FORMAT, journalId, tier });
  const start = chainStart(journalId);
  putMarks(database, journalId, { base: start, head: start });
}

/** Brings a file of format 1 up to the present one; to be called within a transaction. */
export function upgradeTables(database: DatabaseSync, identity: Identity, marks: Marks): void {
  database.exec("DROP TABLE chain");
  for (const table of [CHAIN, SNAPSHOT_PARTS, SNAPSHOTS]) database.exec(table);
  putMarks(database, identity.journalId, marks);
  database.exec("DELETE FROM meta");
  putMeta(database, { ...identity, format: JOURNAL_FORMAT });
}

function putMeta(database: DatabaseSync, { format, journalId, tier }: Identity): void {
  const meta = { format: String(format), journal_id: journalId, tier };
  const put = database.prepare("INSERT INTO meta (key, value) VALUES (?, ?)");
  for (const [key, value] of Object.entries(meta)) put.run(key, value);
  put.run("checksum", metaChecksum(new Map(Object.entries(meta))));
}

function putMarks(database: DatabaseSync, journalId: string, marks: Pick<Marks, "base" | "head">): void {
  const put = database.prepare(
    "INSERT INTO chain (mark, journal_id, seq, engine_time, checksum) VALUES (?, ?, ?, ?, ?)",
  );
  const each = [["base", marks.base] as const, ["head", marks.head] as const];
  for (const [name, { seq, engineTimeMs, checksum }] of each) put.run(name, journalId, seq, engineTimeMs, checksum);
}

/** Checks that it is a journal of a known format, and says whose. Throws JournalError. */
export function readIdentity(database: DatabaseSync, path: string): Identity {
  const corrupt = (what: string) => new JournalError("corrupt", { path, what });
  if (firstValue(database, "PRAGMA application_id") !== APPLICATION_ID) {
    throw new JournalError("not-a-journal", { path, what: "it is an SQLite database, but not a Bursar journal" });
  }
  const meta = new Map<string, string>();
  for (const row of database.prepare("SELECT key, value FROM meta").iterate()) {
    meta.set(String(row.key), String(row.value));
  }
  if (meta.get("checksum") !== metaChecksum(meta)) throw corrupt("its table meta does not fit its checksum");
  const format = Number(meta.get("format"));
  const expected = TABLES.get(format);
  if (expected === undefined) {
    const what = `it has format ${format}, this release reads up to ${JOURNAL_FORMAT}`;
    throw new JournalError("newer-version", { path, what });
  }
  const [journalId, tier] = [meta.get("journal_id"), meta.get("tier")];
  if (!journalId || !tier) throw corrupt(`its table meta names no ${journalId ? "tier" : "journal id"}`);
  const tables = database.prepare("SELECT sql FROM sqlite_schema ORDER BY name").all();
  const definitions = tables.map((table) => String(table.sql));
  if (definitions.join(";") !== expected.join(";")) throw corrupt(`its tables are not those of format ${format}`);
  return { format, journalId, tier };
}

/** Where its rows begin and end, and which snapshot stands before them. Throws JournalError `corrupt`. */
export function readMarks(database: DatabaseSync, identity: Identity, path: string): Marks {
  const { format, journalId } = identity;
  const corrupt = (what: string) => new JournalError("corrupt", { path, what });
  const mark = (name: string): ChainMark => {
    const row = database.prepare("SELECT * FROM chain WHERE mark = ?").get(name);
    const [seq, engineTimeMs, checksum] = [row?.seq, row?.engine_time, row?.checksum];
    if (!isCount(seq) || !isCount(engineTimeMs) || !isCount(checksum)) throw corrupt(`its mark ${name} is unreadable`);
    if (format > 1 && row?.journal_id !== journalId) {
      throw corrupt(`its mark ${name} is that of the journal ${String(row?.journal_id)}, the file is ${journalId}`);
    }
    return { seq, engineTimeMs, checksum };
  };
  const [base, head] = [mark("base"), mark("head")];
  const snapshots = format > 1 ? database.prepare("SELECT * FROM snapshots").all() : [];
  if (snapshots.length > 1) throw corrupt(`it names ${snapshots.length} snapshots, there is at most one`);
  const [row] = snapshots;
  const start = chainStart(journalId);
  if (row === undefined) {
    if (base.seq !== start.seq || base.checksum !== start.checksum || base.engineTimeMs !== start.engineTimeMs) {
      const where = `after row ${base.seq} with checksum ${base.checksum}`;
      throw corrupt(`its chain begins ${where}, which is neither that of its id nor that of a snapshot`);
    }
    return { base, head, snapshot: undefined };
  }
  const { generation, parts, checksum } = row;
  if (!isCount(generation) || !isCount(parts) || !isCount(checksum)) throw corrupt("its snapshot's mark is unreadable");
  return { base, head, snapshot: { generation, parts, checksum } };
}

/** The checksum of all other entries of `meta`, in the order of their keys. The same rule in every format. */
function metaChecksum(meta: ReadonlyMap<string, string>): string {
  const entries = [...meta].filter(([key]) => key !== "checksum").sort(([a], [b]) => (a < b ? -1 : 1));
  return String(crc32(JSON.stringify(entries)));
}

/** True for a whole number from 0 to 2^53−1. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** The first column of the only row of `sql`. */
export function firstValue(database: DatabaseSync, sql: string): unknown {
  const row = database.prepare(sql).get();
  return row === undefined ? undefined : Object.values(row)[0];
}
