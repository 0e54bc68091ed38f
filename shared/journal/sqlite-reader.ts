/**
 * Reads a journal that no daemon has open, and leaves no trace: not a byte is written, no lock file is made, the log stays as it is.
 * For examination and audit. It reads as far as all is sound and then throws what is wrong.
 */
import { type BigIntStats, statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import type { SnapshotPart } from "#budget";
import type { CommitCodec } from "./commit-codec.ts";
import { JournalError, journalErrorOf } from "./journal-error.ts";
import { isHeld, openWithLog, openWithoutLog } from "./read-only.ts";
import { readSnapshot } from "./snapshot-rows.ts";
import { checkStructure } from "./sqlite-file.ts";
import { readCommits, type StoredCommit } from "./sqlite-recovery.ts";
import { readIdentity, readMarks } from "./sqlite-tables.ts";
import { inspectWal, type WalFindings } from "./wal-check.ts";

export interface ReadJournalOptions {
  readonly path: string;
  readonly codec: CommitCodec;
}

export interface ReadJournal {
  readonly journalId: string;
  /** The tier of the daemon that it belongs to. */
  readonly tier: string;
  /** Format of the file. */
  readonly format: number;
  /** The last commit that is folded into the snapshot; 0 without one. */
  readonly baseSeq: number;
  /** The last commit; 0 in an empty journal. */
  readonly headSeq: number;
  /** Engine time of the last commit, in milliseconds. */
  readonly headEngineTimeMs: number;
  /** Bytes of the file and its log. */
  readonly bytes: number;
  /** The state up to `baseSeq`; undefined when there is no snapshot. Can be read again. Throws JournalError with the part at fault. */
  readonly snapshot: Iterable<SnapshotPart> | undefined;
  /**
   * The commits after `baseSeq`, oldest first. Can be read again. Throws JournalError with the row at fault; after the last row, what is
   * wrong with the file as a whole.
   */
  readonly commits: Iterable<StoredCommit>;
  /** Must be called in the end; again is harmless. */
  close(): void;
}

/**
 * Opens the journal at `path` for reading. Throws JournalError: `in-use` while a daemon has it, `no-access` also when there is
 * none, `not-a-journal`, `newer-version`, and `corrupt` when it cannot even be told whose it is and where it begins and ends.
 */
export function readSqliteJournal(options: ReadJournalOptions): ReadJournal {
  const { path, codec } = options;
  let database: DatabaseSync | undefined;
  try {
    const before = looksOf(path);
    const log = lookAtLog(path, before);
    database = log.hasCommits ? openWithLog(path) : openWithoutLog(path);
    const opened = database;
    const identity = readIdentity(opened, path);
    const marks = readMarks(opened, identity, path);
    const { base, head, snapshot } = marks;
    const watched = <T>(read: () => Generator<T, void>) => ({ [Symbol.iterator]: () => watch(read(), path, before) });
    return {
      ...identity,
      baseSeq: base.seq,
      headSeq: head.seq,
      headEngineTimeMs: head.engineTimeMs,
      bytes: Number(before.file.size + (before.log?.size ?? 0n)),
      snapshot: snapshot && watched(() => readSnapshot({ path, database: opened, ...identity, base, snapshot })),
      commits: watched(function* () {
        yield* readCommits({ path, codec, database: opened, base, head });
        if (log.damage) throw new JournalError("corrupt", { path, what: log.damage });
        checkStructure(opened, path);
      }),
      close: () => {
        if (opened.isOpen) opened.close();
      },
    };
  } catch (error) {
    database?.close();
    throw journalErrorOf(error, { path, doing: "cannot read" });
  }
}

interface Looks {
  readonly file: BigIntStats;
  readonly log: BigIntStats | undefined;
}

function looksOf(path: string): Looks {
  const file = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (file === undefined) throw new JournalError("no-access", { path, what: "there is no such file" });
  if (!file.isFile()) throw new JournalError("not-a-journal", { path, what: "it is not a regular file" });
  return { file, log: statSync(`${path}-wal`, { bigint: true, throwIfNoEntry: false }) };
}

function lookAtLog(path: string, { file, log }: Looks): WalFindings {
  if (log === undefined) return { damage: undefined, hasCommits: false };
  if (file.size === 0n) {
    if (log.size > 0n) throw new JournalError("corrupt", { path, what: "it is empty, but its log is not" });
  } else if (isHeld(path)) {
    const what = "a daemon has it open: stop it, or examine a copy of the file and its -wal";
    throw new JournalError("in-use", { path, what });
  }
  return inspectWal(`${path}-wal`);
}

/** Reading takes no lock. When a daemon was started meanwhile, nothing that was read counts, and what looks wrong is not. */
function* watch<T>(read: Generator<T, void>, path: string, before: Looks): Generator<T, void> {
  const check = (cause?: unknown): void => {
    const now = looksOf(path);
    const same = (a: BigIntStats | undefined, b: BigIntStats | undefined) =>
      a?.ino === b?.ino && a?.size === b?.size && a?.mtimeNs === b?.mtimeNs;
    if (same(now.file, before.file) && same(now.log, before.log)) return;
    throw new JournalError("in-use", { path, what: "it was changed while it was read", cause });
  };
  try {
    yield* read;
  } catch (error) {
    check(error);
    throw journalErrorOf(error, { path, doing: "cannot read" });
  }
  check();
}
