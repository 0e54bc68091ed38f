/**
 * Refuses a log that is damaged, foreign or out of date before SQLite sees it: SQLite would cut it at the damage, would lay any log that is
 * whole in itself over the file beside it, and at close would fold it in and delete it. Only a crash leaves a log, so this costs nothing
 * on the way from a clean end.
 */
import { statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { JournalError } from "./journal-error.ts";
import { isHeld, openWithLog, openWithoutLog } from "./read-only.ts";
import { type Identity, type Marks, readIdentity, readMarks } from "./sqlite-tables.ts";
import { inspectWal } from "./wal-check.ts";

/** Throws JournalError: `corrupt`, or `in-use` when the log only looks wrong because its owner is writing it. */
export function checkLog(path: string): void {
  const walPath = `${path}-wal`;
  const corrupt = (what: string) => new JournalError("corrupt", { path, what });
  const walBytes = statSync(walPath, { throwIfNoEntry: false })?.size ?? 0;
  if (walBytes === 0) return;
  // SQLite would take the file for a new one and delete the log.
  if (!statSync(path, { throwIfNoEntry: false })?.size) {
    throw corrupt(`it is missing or empty, but its log ${walPath} is not`);
  }
  if (isHeld(path)) throw new JournalError("in-use", { path, what: "another process has it open" });
  const { damage, hasCommits } = inspectWal(walPath);
  if (damage) throw corrupt(damage);
  if (hasCommits) checkBelongs(path);
}

/** A log only goes on from where its file is. */
function checkBelongs(path: string): void {
  const alone = look(openWithoutLog(path), path);
  const withLog = look(openWithLog(path), path);
  if (withLog instanceof JournalError) throw withLog;
  // A file that was being laid, or folded into, when the crash came cannot be read without its log; nothing can be said then.
  if (alone instanceof JournalError) return;
  const refuse = (what: string) => new JournalError("corrupt", { path, what });
  if (alone.journalId !== withLog.journalId) {
    throw refuse(`its log is that of the journal ${withLog.journalId}, the file is ${alone.journalId}`);
  }
  if (withLog.head.seq < alone.head.seq || withLog.base.seq < alone.base.seq) {
    throw refuse(
      `its log ends at row ${withLog.head.seq}, before the file does, at row ${alone.head.seq}: it is older`,
    );
  }
}

/** Reads whose it is and where it stands, or why that cannot be told; closes `database`. */
function look(database: DatabaseSync, path: string): (Identity & Marks) | JournalError {
  try {
    const identity = readIdentity(database, path);
    return { ...identity, ...readMarks(database, identity, path) };
  } catch (error) {
    if (error instanceof JournalError) return error;
    const detail = error instanceof Error ? error.message : String(error);
    return new JournalError("corrupt", { path, what: `its tables cannot be read: ${detail}`, cause: error });
  } finally {
    database.close();
  }
}
