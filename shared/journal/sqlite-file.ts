/**
 * Opens the file of a journal: takes the lock, lays or checks the tables, and proves the structure whole before a byte is written.
 * A journal is two files, `path` and `path-wal`: copy both.
 *
 * The lock is SQLite's exclusive lock on the file, held until close; the operating system drops it when the process dies. It
 * belongs to process and file, so nothing else in this process may open and close `path` except through SQLite.
 */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { LIMITS } from "#std";
import { JournalError, type JournalErrorReason, journalErrorOf } from "./journal-error.ts";
import { checkLog } from "./log-check.ts";
import { createTables, firstValue, type Identity, type Marks, readIdentity, readMarks } from "./sqlite-tables.ts";

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
  readonly path: string;
  readonly database: DatabaseSync;
  readonly identity: Identity;
  readonly marks: Marks;
}

/** Opens or creates the file. Throws JournalError; then the file is closed and as it was. */
export function openSqliteFile(options: SqliteFileOptions): SqliteFile {
  const { path } = options;
  let database: DatabaseSync | undefined;
  try {
    checkFolder(path);
    checkLog(path);
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

function lock(database: DatabaseSync): void {
  database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT");
}

/** True for a file with nothing in it, as a crash before the first transaction leaves it too. */
function isNew(database: DatabaseSync, path: string): boolean {
  const tables = firstValue(database, "SELECT count(*) FROM sqlite_schema");
  if (tables !== 0) return false;
  if (Number(firstValue(database, "PRAGMA page_count")) <= 1) return true;
  throw new JournalError("corrupt", { path, what: "it has pages but no tables" });
}

function create(database: DatabaseSync, options: SqliteFileOptions): void {
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE");
  createTables(database, options);
  database.exec("COMMIT");
}

/** Proves structure and identity. */
function check(database: DatabaseSync, options: SqliteFileOptions): SqliteFile {
  const { path } = options;
  const identity = readIdentity(database, path);
  checkStructure(database, path);
  if (identity.tier !== options.tier) {
    const what = `it belongs to the tier ${identity.tier}, this daemon is of the tier ${options.tier}`;
    throw new JournalError("other-tier", { path, what });
  }
  const marks = readMarks(database, identity, path);
  setUp(database, options);
  if (options.pagesMax !== undefined) database.exec(`PRAGMA max_page_count = ${options.pagesMax}`);
  return { path, database, identity, marks };
}

/**
 * `quick_check` walks every page once, a small part of the cost of decoding what is on them, and is the only check of what reading
 * never touches (free space within pages, the list of free pages), which the next write would turn into loss. The contents of the rows
 * are proven by their chains while they are read. Throws JournalError `corrupt`.
 */
export function checkStructure(database: DatabaseSync, path: string): void {
  const verdict = firstValue(database, "PRAGMA quick_check(1)");
  if (verdict !== "ok") {
    throw new JournalError("corrupt", { path, what: `its structure is damaged: ${String(verdict)}` });
  }
}

/**
 * Settings of the connection. The log is emptied first: `inspectWal` relies on a log that holds no leftovers.
 * `fullfsync` matters on macOS only, where a plain sync stops at the drive's cache.
 */
function setUp(database: DatabaseSync, options: SqliteFileOptions): void {
  const { path } = options;
  const mode = firstValue(database, "PRAGMA journal_mode = WAL");
  if (mode !== "wal") throw new JournalError("io-error", { path, what: `SQLite keeps it in mode ${String(mode)}` });
  database.exec("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON; PRAGMA synchronous = FULL");
  database.exec(`PRAGMA wal_autocheckpoint = ${LIMITS.journalLogPagesMax}; PRAGMA cell_size_check = ON`);
  const busy = firstValue(database, "PRAGMA wal_checkpoint(TRUNCATE)");
  if (busy !== 0) throw new JournalError("in-use", { path, what: "its log cannot be emptied" });
}
