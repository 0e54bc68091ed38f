/**
 * Every way a journal can refuse or fail, by name, each with what a person can do about it.
 * A journal never repairs by guessing: a file it cannot fully explain is refused as it is.
 */

/** Why a journal refused or failed; the stable name that programs and tests compare. */
export type JournalErrorReason =
  | "in-use"
  | "newer-version"
  | "other-tier"
  | "not-a-journal"
  | "corrupt"
  | "no-folder"
  | "no-access"
  | "disk-full"
  | "io-error"
  | "row-too-large"
  | "unencodable"
  | "not-compacted"
  | "stopped";

const ADVICE: Readonly<Record<JournalErrorReason, string>> = Object.freeze({
  "in-use": "stop the process that holds it, or give this daemon a journal path of its own",
  "newer-version": "start the release that wrote it, or a later one; this release leaves it untouched",
  "other-tier": "point this daemon at the journal of its own tier",
  "not-a-journal": "choose another path, or move the file away; it is left untouched",
  corrupt:
    "keep the file and its -wal for examination and restore both from one backup; nothing was skipped, because a " +
    "skipped commit would be forgotten spending",
  "no-folder": "create the folder, or correct the path",
  "no-access": "give this user read and write access to the file and its folder",
  "disk-full": "free disk space and start again; every acknowledged commit is kept",
  "io-error": "check the disk and start again; every acknowledged commit is kept",
  "row-too-large": "split the batch before it is appended",
  unencodable: "this is a defect of the program; every acknowledged commit is kept",
  "not-compacted":
    "nothing was lost and commits go on; it is tried again when as much has come again, and if it keeps failing, " +
    "examine a copy of the journal",
  stopped: "start again; the journal is read back from what is durable",
});

export interface JournalErrorOptions {
  /** What is wrong, with the figures that differ; no full stop. */
  readonly what: string;
  /** The journal's file as it was given. */
  readonly path: string;
  /** The row (commit number) at fault, when one can be named. */
  readonly row?: number;
  /** The part of the snapshot at fault (from 1), when one can be named. */
  readonly part?: number;
  readonly cause?: unknown;
}

/** A fault of the journal. `message` says what is wrong and what to do; `reason` is stable. */
export class JournalError extends Error {
  override name = "JournalError";
  readonly reason: JournalErrorReason;
  readonly path: string;
  /** The row (commit number) at fault, or undefined when the fault is not in one row. */
  readonly row: number | undefined;
  /** The part of the snapshot at fault, or undefined when the fault is not in one. */
  readonly part: number | undefined;

  constructor(reason: JournalErrorReason, options: JournalErrorOptions) {
    const ofPart = options.part === undefined ? "" : `snapshot part ${options.part}: `;
    const where = options.row === undefined ? ofPart : `row ${options.row}: `;
    super(
      `journal ${options.path}: ${where}${options.what} (${reason}); ${ADVICE[reason]}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.reason = reason;
    this.path = options.path;
    this.row = options.row;
    this.part = options.part;
  }
}

/** SQLite's primary result codes that mean something to a person; all others are I/O errors. */
const REASON_BY_RESULT_CODE: ReadonlyMap<number, JournalErrorReason> = new Map([
  [1, "corrupt"], // ERROR: fixed statements fail only on tables that are not ours any more
  [3, "no-access"], // PERM
  [5, "in-use"], // BUSY
  [6, "corrupt"], // LOCKED: two parts of one connection disagree, which only a damaged header brings about
  [8, "no-access"], // READONLY
  [11, "corrupt"], // CORRUPT
  [13, "disk-full"], // FULL
  [14, "no-access"], // CANTOPEN
  [26, "not-a-journal"], // NOTADB
]);

/** The same for the codes of node:fs. */
const REASON_BY_FS_CODE: ReadonlyMap<unknown, JournalErrorReason> = new Map([
  ["EACCES", "no-access"],
  ["EPERM", "no-access"],
  ["EROFS", "no-access"],
  ["ENOSPC", "disk-full"],
]);

interface Circumstances {
  readonly path: string;
  /** What was tried. */
  readonly doing: string;
  /** What an error is that comes neither from SQLite nor from the file system. Default: `io-error`. */
  readonly otherwise?: JournalErrorReason;
}

/** Names an error of node:sqlite or node:fs. A JournalError passes through unchanged. */
export function journalErrorOf(error: unknown, options: Circumstances): JournalError {
  if (error instanceof JournalError) return error;
  const reason = reasonOf(error) ?? options.otherwise ?? "io-error";
  const detail = error instanceof Error ? error.message : String(error);
  return new JournalError(reason, { path: options.path, what: `${options.doing}: ${detail}`, cause: error });
}

function reasonOf(error: unknown): JournalErrorReason | undefined {
  if (!(error instanceof Error)) return undefined;
  // The low byte is SQLite's primary result code; the rest says more about it.
  if ("errcode" in error && typeof error.errcode === "number") {
    return REASON_BY_RESULT_CODE.get(error.errcode & 0xff) ?? "io-error";
  }
  return "code" in error ? REASON_BY_FS_CODE.get(error.code) : undefined;
}
