/**
 * Looks at a journal's file without leaving a trace: nothing is written, no lock file is made, no log is folded or deleted. Used before a
 * daemon opens a file that a crash left behind, and by everybody who only wants to read.
 *
 * SQLite offers two ways, and each has its place. `immutable` reads the file alone, as if there were no log. For the file with its
 * log we ask for exclusive use through a VFS that does not lock: the index of the log then lives in memory instead of a file beside it,
 * and because the file is open for reading only, the fold that SQLite tries at close fails and leaves both files as they are. (A log
 * without any whole commit must not be read in this way: there would be nothing to fold, and SQLite would delete it.)
 * Neither takes a lock, and closing them drops the locks of other connections of this process: ask `isHeld` first.
 */
import { DatabaseSync } from "node:sqlite";
import { firstValue } from "./sqlite-tables.ts";

const BUSY = 5;

/** True when a process (this one included) has the journal open. `path-wal` must exist: whoever has it open has a log. */
export function isHeld(path: string): boolean {
  const probe = new DatabaseSync(path, { readOnly: true, timeout: 0 });
  try {
    // Taking the lock comes before all else; what fails after that (an exclusive lock on a file open for reading) does not matter.
    probe.exec("PRAGMA locking_mode = EXCLUSIVE");
    firstValue(probe, "SELECT count(*) FROM sqlite_schema");
    return false;
  } catch (error) {
    if (!(error instanceof Error && "errcode" in error)) throw error;
    return (Number(error.errcode) & 0xff) === BUSY;
  } finally {
    probe.close();
  }
}

/** The file alone. */
export function openWithoutLog(path: string): DatabaseSync {
  return new DatabaseSync(`${uriOf(path)}?mode=ro&immutable=1`, { readOnly: true });
}

/** The file as its log, which must have at least one whole commit, says it is. */
export function openWithLog(path: string): DatabaseSync {
  const database = new DatabaseSync(`${uriOf(path)}?mode=ro&vfs=unix-none`, { readOnly: true });
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function uriOf(path: string): string {
  return `file:${path.split("/").map(encodeURIComponent).join("/")}`;
}
