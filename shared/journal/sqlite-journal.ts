/**
 * The Journal port on `node:sqlite`: one row per commit, synced before it is acknowledged, one writer per file.
 *
 * J1 A commit is acknowledged only after it was synced (WAL, synchronous=FULL; or written, and its log synced beside the caller's work).
 * J2 What is read back is exactly a prefix of what was appended, at least all that was acknowledged, its oldest part folded into a snapshot of
 *    the state that it led to; or opening or reading throws a JournalError that names what differs. No row is ever skipped.
 * J3 After a failed append nothing more is written: the memory of the process is ahead of the disk and must end.
 * J4 Nothing is appended, upgraded or compacted before all that is stored has been read to its end, so no chain grows on an unproven one.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { SnapshotPart } from "#budget";
import type { Clock, Commit, Journal, OpenedJournal } from "#ports";
import { assert, LIMITS } from "#std";
import type { CommitCodec } from "./commit-codec.ts";
import { type CompactionReport, Compactor, compactAfterBytes } from "./compaction.ts";
import { JournalError, journalErrorOf } from "./journal-error.ts";
import { LogSync } from "./log-sync.ts";
import { type ChainMark, chainChecksum } from "./row-chain.ts";
import { readSnapshot } from "./snapshot-rows.ts";
import { openSqliteFile, type SqliteFile } from "./sqlite-file.ts";
import { readCommits } from "./sqlite-recovery.ts";
import { JOURNAL_FORMAT, type SnapshotMark, upgradeTables } from "./sqlite-tables.ts";

export interface SqliteJournalOptions {
  /** The file; made when absent, in a folder that must exist. SQLite keeps its log beside it in `path-wal`. */
  readonly path: string;
  readonly codec: CommitCodec;
  /** The tier the journal belongs to, for example "coordination"; a journal of another tier is refused. */
  readonly tier: string;
  /** The name for ever of a new journal; ignored when the file exists. */
  readonly journalId: string;
  /** Pages the file may have (4,096 bytes each); beyond it commits fail as on a full disk. Default: no bound. */
  readonly pagesMax?: number;
  /** Paces compaction. Default: the journal is never compacted. Compaction reads commits with the codec of the room #codec. */
  readonly clock?: Pick<Clock, "after">;
  /** Told after each compaction, whoever asked for it. A failed one is no reason to end: the journal goes on without it. */
  readonly onCompaction?: (report: CompactionReport) => void;
  /** Bytes of commits after which it compacts by itself. Default: LIMITS.compactAfterBytes, or less when `pagesMax` is small. */
  readonly compactAfterBytes?: number;
  /** Of the tables in memory of a compaction, 0 … 2^53-1: chance that nobody else knows. Default 0, which is for tests. */
  readonly hashSeed?: number;
}

export interface OpenedSqliteJournal extends OpenedJournal {
  readonly journal: SqliteJournal;
}

/**
 * Opens the journal at `path`, or makes it. `snapshot` and `commits` read from the file as they are iterated; read both to
 * their ends before the first append. Throws JournalError; then nothing was changed.
 */
export function openSqliteJournal(options: SqliteJournalOptions): OpenedSqliteJournal {
  const file = openSqliteFile(options);
  const journal = new SqliteJournal(options, file);
  return { journal, snapshot: journal.readSnapshot(), commits: journal.readCommits() };
}

/** What of the stored content is still to be read. */
type Unread = "snapshot" | "commits";

export class SqliteJournal implements Journal {
  readonly journalId: string;
  readonly #options: SqliteJournalOptions;
  readonly #file: SqliteFile;
  readonly #database: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #insertRow: StatementSync;
  readonly #moveHead: StatementSync;
  readonly #commit: StatementSync;
  readonly #unread: Set<Unread>;
  #head: ChainMark;
  #state: "unread" | "ready" | "failed" | "closed" = "unread";
  #compactor: Compactor | undefined;
  /** Its log, to be synced beside SQLite. */
  readonly #log: LogSync;

  constructor(options: SqliteJournalOptions, file: SqliteFile) {
    const { database, identity, marks } = file;
    this.journalId = identity.journalId;
    this.#options = options;
    this.#file = file;
    this.#database = database;
    this.#head = marks.head;
    this.#unread = new Set<Unread>(marks.snapshot ? ["snapshot", "commits"] : ["commits"]);
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#insertRow = database.prepare("INSERT INTO commits (seq, engine_time, checksum, body) VALUES (?, ?, ?, ?)");
    this.#moveHead = database.prepare("UPDATE chain SET seq = ?, engine_time = ?, checksum = ? WHERE mark = 'head'");
    this.#commit = database.prepare("COMMIT");
    this.#log = new LogSync(`${options.path}-wal`);
  }

  /** The stored snapshot, read and proven as it is iterated; undefined when there is none. */
  readSnapshot(): Iterable<SnapshotPart> | undefined {
    const { path } = this.#options;
    const place = () => ({ path, database: this.#database, journalId: this.journalId, base: this.#base() });
    const iterate = function* (journal: SqliteJournal) {
      const snapshot = journal.#snapshot();
      assert(snapshot !== undefined, "a snapshot is only ever replaced");
      yield* readSnapshot({ ...place(), snapshot });
      journal.#wasRead("snapshot", 0);
    };
    return this.#snapshot() && { [Symbol.iterator]: () => iterate(this) };
  }

  /** The stored commits after the snapshot, read and proven as they are iterated. */
  readCommits(): Iterable<Commit> {
    const { path, codec } = this.#options;
    const iterate = function* (journal: SqliteJournal) {
      let total = 0;
      const [base, head] = [journal.#base(), journal.#head];
      for (const { commit, bytes } of readCommits({ path, codec, database: journal.#database, base, head })) {
        total += bytes;
        yield commit;
      }
      journal.#wasRead("commits", total);
    };
    return { [Symbol.iterator]: () => iterate(this) };
  }

  append(commit: Commit, done: (error?: Error) => void, written?: () => void): void {
    assert(this.#state !== "closed", "append to a closed journal");
    assert(!this.#log.syncs, "append while an earlier commit is being synced");
    assert(this.#state !== "unread", "read the journal's snapshot and commits to their end before the first append");
    // `done` stands outside of every try: what it throws is its caller's fault, not the journal's.
    // What a compaction writes beside it must find it synced: a log may be torn at its end only.
    const beside = written !== undefined && this.#compactor?.isAtWork !== true;
    const error = this.#state === "failed" ? this.#stopped() : this.#write(commit, beside);
    if (error) {
      this.#fail();
      done(error);
    } else if (beside && this.#compactor?.isAtWork !== true) {
      // A few answers are sent before another thread is awake; many are made while it syncs.
      const areFew = commit.events.length <= LIMITS.calmCommandsMax;
      if (areFew) written();
      this.#syncBeside(done);
      if (!areFew) written();
    } else {
      const unsynced = beside ? this.#syncNow() : undefined;
      done(unsynced);
    }
  }

  #syncBeside(done: (error?: Error) => void): void {
    // Whoever was told of what is written may have been unable to go on.
    if (this.#state === "closed") return;
    this.#log.sync((cause) => {
      if (this.#state === "closed") return;
      const error = cause && this.#unsynced(cause);
      if (error) this.#fail();
      done(error);
    });
  }

  #syncNow(): JournalError | undefined {
    try {
      this.#log.syncNow();
      return undefined;
    } catch (cause) {
      this.#fail();
      return this.#unsynced(cause);
    }
  }

  #unsynced(cause: unknown): JournalError {
    return journalErrorOf(cause, { path: this.#options.path, doing: `cannot sync commit ${this.#head.seq}` });
  }

  /**
   * Folds everything that is durable now into a snapshot, without holding up commits; `done` is called when that is durable and
   * what it replaces is dropped, or with why not, which is no reason to end. After one that is under way. Needs a clock.
   */
  compact(done: (error?: Error) => void): void {
    assert(this.#state !== "closed" && this.#state !== "unread", `a journal that is ${this.#state} is not compacted`);
    if (this.#state === "failed") {
      done(this.#stopped());
      return;
    }
    assert(this.#compactor !== undefined, "a journal without a clock is not compacted");
    const error = this.#log.syncs ? this.#syncNow() : undefined;
    if (error) done(error);
    else this.#compactor.compact(done);
  }

  /** Folds the log into the file and releases the lock; a compaction under way is given up. Harmless when repeated. */
  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#compactor?.stop();
    this.#log.close();
    this.#database.close();
  }

  #base(): ChainMark {
    return this.#compactor?.base ?? this.#file.marks.base;
  }

  #snapshot(): SnapshotMark | undefined {
    return this.#compactor === undefined ? this.#file.marks.snapshot : this.#compactor.snapshot;
  }

  /** When all is read and proven, the file is brought up to date, and appends are taken (J4). */
  #wasRead(what: Unread, commitBytes: number): void {
    this.#unread.delete(what);
    if (this.#state !== "unread" || this.#unread.size > 0) return;
    const { identity, marks, path } = this.#file;
    if (identity.format < JOURNAL_FORMAT) this.#upgrade();
    this.#state = "ready";
    const { clock, onCompaction = () => {}, pagesMax, hashSeed = 0 } = this.#options;
    if (clock === undefined) return;
    this.#compactor = new Compactor({
      path,
      database: this.#database,
      journalId: this.journalId,
      hashSeed,
      clock,
      ...marks,
      head: () => this.#head,
      commitBytes,
      afterBytes: this.#options.compactAfterBytes ?? compactAfterBytes(pagesMax),
      onCompaction,
    });
  }

  #upgrade(): void {
    const { identity, marks, path } = this.#file;
    try {
      this.#begin.run();
      upgradeTables(this.#database, identity, marks);
      this.#commit.run();
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw journalErrorOf(error, {
        path,
        doing: `cannot bring it from format ${identity.format} to ${JOURNAL_FORMAT}`,
      });
    }
  }

  /** Writes one row and syncs it, unless that is done beside it. */
  #write(commit: Commit, beside: boolean): JournalError | undefined {
    const { engineTimeMs } = commit;
    assert(Number.isSafeInteger(engineTimeMs), `engine time ${engineTimeMs} is not a whole number of milliseconds`);
    assert(
      engineTimeMs >= this.#head.engineTimeMs,
      `engine time fell from ${this.#head.engineTimeMs} to ${engineTimeMs}`,
    );
    const { path, codec } = this.#options;
    let body: Uint8Array;
    try {
      body = codec.encode(commit);
    } catch (cause) {
      return new JournalError("unencodable", { path, what: "a commit cannot be encoded", cause });
    }
    if (body.byteLength > LIMITS.commitRowBytesMax) {
      const what = `a commit of ${body.byteLength} bytes exceeds ${LIMITS.commitRowBytesMax}`;
      return new JournalError("row-too-large", { path, what });
    }
    const seq = this.#head.seq + 1;
    const row = { seq, engineTimeMs, checksum: chainChecksum(this.#head.checksum, { seq, engineTimeMs, body }) };
    const error = beside ? this.#insertUnsynced(row, body) : this.#insert(row, body);
    // An unfinished snapshot must never be what a commit fails for.
    if (error && !(error.reason === "disk-full" && this.#insertInRoomOfSnapshot(row, body))) return error;
    this.#head = row;
    this.#compactor?.noteCommit(body.byteLength);
    return undefined;
  }

  /** On failure the transaction that is still open is left to `close`, which rolls it back. */
  #insert(row: ChainMark, body: Uint8Array): JournalError | undefined {
    const { seq, engineTimeMs, checksum } = row;
    try {
      this.#begin.run();
      this.#insertRow.run(seq, engineTimeMs, checksum, body);
      this.#moveHead.run(seq, engineTimeMs, checksum);
      this.#commit.run();
      return undefined;
    } catch (error) {
      return journalErrorOf(error, { path: this.#options.path, doing: `cannot write commit ${seq}` });
    }
  }

  /** SQLite itself syncs the log before it folds it into the file, so nothing in the file is ahead of what is synced. */
  #insertUnsynced(row: ChainMark, body: Uint8Array): JournalError | undefined {
    try {
      this.#database.exec("PRAGMA synchronous = NORMAL");
      const error = this.#insert(row, body);
      // A transaction that failed is open, and within one this says nothing.
      if (!error) this.#database.exec("PRAGMA synchronous = FULL");
      return error;
    } catch (error) {
      return journalErrorOf(error, { path: this.#options.path, doing: `cannot write commit ${row.seq}` });
    }
  }

  #insertInRoomOfSnapshot(row: ChainMark, body: Uint8Array): boolean {
    if (this.#compactor === undefined) return false;
    try {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      this.#database.exec("PRAGMA synchronous = FULL");
      if (!this.#compactor.makeRoom()) return false;
    } catch {
      return false; // the commit's own error says what is wrong
    }
    return this.#insert(row, body) === undefined;
  }

  #fail(): void {
    if (this.#state === "failed") return;
    this.#state = "failed";
    this.#compactor?.stop();
  }

  #stopped(): JournalError {
    return new JournalError("stopped", { path: this.#options.path, what: "an earlier commit failed" });
  }
}
