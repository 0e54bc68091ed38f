/**
 * Opens the file of a journal: takes the lock, lays or checks the format, and proves the file whole before a byte is written.
 *
 * Format 1. `meta` says whose file it is, under its own checksum; meta and its checksum rule are the same in every format,
 * so that every release can say what it cannot read. `commits` has one row per commit. `chain` marks where the
 * stored rows begin (`base`) and end (`head`): a lost tail is found, and a snapshot can later move the base
 * forward and drop the rows before it in one transaction. A journal is two files, `path` and `path-wal`: copy both.
 *
 * The lock is SQLite's exclusive lock on the file, held until close; the operating system drops it when the process dies. It
 * belongs to process and file, so nothing else in this process may open and close `path` except through SQLite.
 */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { LIMITS } from "#std";
import { JournalError, type JournalErrorReason, journalErrorOf } from "./journal-error.ts";
import { type ChainMark, chainStart } from "./row-chain.ts";
import { findWalDamage } from "./wal-check.ts";

/** The newest format this release reads and the one it writes. */
export const JOURNAL_FORMAT = 1;

/** Marks the file as a Bursar journal in SQLite's own header ("BRSR"). */
const APPLICATION_ID = 0x42525352;

/** The tables of format 1, word for word as SQLite keeps them: a bit flipped in a definition changes what rows mean. */
const TABLES: readonly string[] = [
  "CREATE TABLE chain (mark TEXT PRIMARY KEY, seq INTEGER NOT NULL, engine_time INTEGER NOT NULL, " +
    "checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID",
  "CREATE TABLE commits (seq INTEGER PRIMARY KEY, engine_time INTEGER NOT NULL, checksum INTEGER NOT NULL, " +
    "body BLOB NOT NULL) STRICT",
  "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
];

export interface SqliteFileOptions {
  readonly path: string;
  readonly tier: string;
  /** The id given to a new file; an old one keeps its own. */
  readonly journalId: string;
  /** Pages the file may have (4,096 bytes each). Default: no bound but the disk. */
  readonly pagesMax?: number;
}

/** An open, locked and checked journal file. */
export interface SqliteFile {
  readonly database: DatabaseSync;
  readonly journalId: string;
  readonly base: ChainMark;
  readonly head: ChainMark;
}

/** Opens or creates the file. Throws JournalError; then the file is closed and as it was. */
export function openSqliteFile(options: SqliteFileOptions): SqliteFile {
  const { path } = options;
  let database: DatabaseSync | undefined;
  try {
    checkFolder(path);
    checkWal(path);
    database = new DatabaseSync(path, { timeout: 0 });
    lock(database);
    if (isNew(database, path)) create(database, options);
    return check(database, options);
  } catch (error) {
    database?.close();
    throw journalErrorOf(error, { path, doing: "cannot open" });
  }
}

function checkFolder(path: string): void {
  const folder = dirname(path);
  const refuse = (reason: JournalErrorReason, what: string) => new JournalError(reason, { path, what });
  if (!existsSync(folder)) throw refuse("no-folder", `the folder ${folder} does not exist`);
  if (!statSync(folder).isDirectory()) throw refuse("no-folder", `${folder} is not a folder`);
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    if (existsSync(path)) accessSync(path, constants.R_OK | constants.W_OK);
  } catch (cause) {
    throw new JournalError("no-access", { path, what: "cannot read and write it and its folder", cause });
  }
  if (existsSync(path) && !statSync(path).isFile()) throw refuse("not-a-journal", "it is not a regular file");
}

/**
 * Refuses a damaged log before SQLite sees it: SQLite would cut it at the damage and, at close, delete it.
 * A log that looks damaged only because its owner is writing it is told apart by the owner's lock, which a
 * read-only connection meets without changing anything.
 */
function checkWal(path: string): void {
  const walPath = `${path}-wal`;
  const walBytes = statSync(walPath, { throwIfNoEntry: false })?.size ?? 0;
  if (walBytes > 0 && !statSync(path, { throwIfNoEntry: false })?.size) {
    // SQLite would take the file for a new one and delete the log.
    throw new JournalError("corrupt", { path, what: `it is missing or empty, but its log ${walPath} is not` });
  }
  if (!findWalDamage(walPath)) return;
  const probe = new DatabaseSync(path, { readOnly: true, timeout: 0 });
  try {
    probe.prepare("SELECT count(*) FROM sqlite_schema").get();
    const damage = findWalDamage(walPath);
    if (damage) throw new JournalError("corrupt", { path, what: damage });
  } finally {
    probe.close();
  }
}

function lock(database: DatabaseSync): void {
  database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT");
}

/** True for a file with nothing in it, as a crash before the first transaction leaves it too. */
function isNew(database: DatabaseSync, path: string): boolean {
  const tables = pragma(database, "SELECT count(*) FROM sqlite_schema");
  if (tables !== 0) return false;
  if (Number(pragma(database, "PRAGMA page_count")) <= 1) return true;
  throw new JournalError("corrupt", { path, what: "it has pages but no tables" });
}

function create(database: DatabaseSync, options: SqliteFileOptions): void {
  const meta = { format: String(JOURNAL_FORMAT), journal_id: options.journalId, tier: options.tier };
  const start = chainStart(options.journalId);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE");
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  for (const table of TABLES) database.exec(table);
  const putMeta = database.prepare("INSERT INTO meta (key, value) VALUES (?, ?)");
  for (const [key, value] of Object.entries(meta)) putMeta.run(key, value);
  putMeta.run("checksum", metaChecksum(new Map(Object.entries(meta))));
  const putMark = database.prepare("INSERT INTO chain (mark, seq, engine_time, checksum) VALUES (?, ?, ?, ?)");
  for (const mark of ["base", "head"]) putMark.run(mark, start.seq, start.engineTimeMs, start.checksum);
  database.exec("COMMIT");
}

/**
 * Proves structure and identity. `quick_check` walks every page once, a small part of the cost of decoding what is on them,
 * and is the only check of what reading never touches (free space within pages, the list of free pages), which the next write would
 * turn into loss. The rows' contents are proven by their chain while they are read; there is no index to compare.
 */
function check(database: DatabaseSync, options: SqliteFileOptions): SqliteFile {
  const { path } = options;
  const corrupt = (what: string) => new JournalError("corrupt", { path, what });
  if (pragma(database, "PRAGMA application_id") !== APPLICATION_ID) {
    throw new JournalError("not-a-journal", { path, what: "it is an SQLite database, but not a Bursar journal" });
  }
  const verdict = pragma(database, "PRAGMA quick_check(1)");
  if (verdict !== "ok") throw corrupt(`its structure is damaged: ${String(verdict)}`);
  const journalId = checkMeta(database, options);
  const tables = database.prepare("SELECT sql FROM sqlite_schema ORDER BY name").all();
  const definitions = tables.map((table) => String(table.sql));
  if (definitions.join(";") !== TABLES.join(";")) throw corrupt(`its tables are not those of format ${JOURNAL_FORMAT}`);
  setUp(database, options);
  if (options.pagesMax !== undefined) database.exec(`PRAGMA max_page_count = ${options.pagesMax}`);
  const base = chainMark(database, "base", corrupt);
  const head = chainMark(database, "head", corrupt);
  const start = chainStart(journalId);
  if (base.seq !== start.seq || base.checksum !== start.checksum || base.engineTimeMs !== start.engineTimeMs) {
    throw corrupt(`its chain begins after row ${base.seq} with checksum ${base.checksum}, not with that of its id`);
  }
  return { database, journalId, base, head };
}

/** Checks whose journal it is and returns its id. */
function checkMeta(database: DatabaseSync, options: SqliteFileOptions): string {
  const { path } = options;
  const meta = new Map<string, string>();
  for (const row of database.prepare("SELECT key, value FROM meta").iterate()) {
    meta.set(String(row.key), String(row.value));
  }
  if (meta.get("checksum") !== metaChecksum(meta)) {
    throw new JournalError("corrupt", { path, what: "its table meta does not fit its checksum" });
  }
  const format = Number(meta.get("format"));
  if (format !== JOURNAL_FORMAT) {
    const what = `it has format ${format}, this release reads up to ${JOURNAL_FORMAT}`;
    throw new JournalError("newer-version", { path, what });
  }
  const tier = meta.get("tier");
  if (tier !== options.tier) {
    const what = `it belongs to the tier ${tier}, this daemon is of the tier ${options.tier}`;
    throw new JournalError("other-tier", { path, what });
  }
  const journalId = meta.get("journal_id");
  if (!journalId) throw new JournalError("corrupt", { path, what: "its table meta names no journal id" });
  return journalId;
}

/** The checksum of all other entries of `meta`, in the order of their keys. The same rule in every format. */
function metaChecksum(meta: ReadonlyMap<string, string>): string {
  const entries = [...meta].filter(([key]) => key !== "checksum").sort(([a], [b]) => (a < b ? -1 : 1));
  return String(crc32(JSON.stringify(entries)));
}

/**
 * Settings of the connection. The log is emptied first: `findWalDamage` relies on a log that holds no leftovers.
 * `fullfsync` matters on macOS only, where a plain sync stops at the drive's cache.
 */
function setUp(database: DatabaseSync, options: SqliteFileOptions): void {
  const { path } = options;
  const mode = pragma(database, "PRAGMA journal_mode = WAL");
  if (mode !== "wal") throw new JournalError("io-error", { path, what: `SQLite keeps it in mode ${String(mode)}` });
  database.exec("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON; PRAGMA synchronous = FULL");
  database.exec(`PRAGMA wal_autocheckpoint = ${LIMITS.journalLogPagesMax}; PRAGMA cell_size_check = ON`);
  const busy = pragma(database, "PRAGMA wal_checkpoint(TRUNCATE)");
  if (busy !== 0) throw new JournalError("in-use", { path, what: "its log cannot be emptied" });
}

function chainMark(database: DatabaseSync, mark: string, corrupt: (what: string) => JournalError): ChainMark {
  const row = database.prepare("SELECT seq, engine_time, checksum FROM chain WHERE mark = ?").get(mark);
  const [seq, engineTimeMs, checksum] = [row?.seq, row?.engine_time, row?.checksum];
  if (!isCount(seq) || !isCount(engineTimeMs) || !isCount(checksum)) throw corrupt(`its mark ${mark} is unreadable`);
  return { seq, engineTimeMs, checksum };
}

/** True for a whole number from 0 to 2^53−1. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** The first column of the only row of `sql`. */
function pragma(database: DatabaseSync, sql: string): unknown {
  const row = database.prepare(sql).get();
  return row === undefined ? undefined : Object.values(row)[0];
}
