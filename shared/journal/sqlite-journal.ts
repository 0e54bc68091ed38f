/**
 * The Journal port on `node:sqlite`: one row per commit, synced before it is acknowledged, one writer per file.
 *
 * J1 A commit is acknowledged only after SQLite has synced it (WAL, synchronous=FULL).
 * J2 What is read back is exactly a prefix of what was appended, at least all that was acknowledged; or opening or
 *    reading throws a JournalError that names what differs. No row is ever skipped.
 * J3 After a failed append nothing more is written: the memory of the process is ahead of the disk and must end.
 * J4 Nothing is appended before the stored rows have been read to their end, so no chain grows on an unproven one.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Commit, Journal, OpenedJournal } from "#ports";
import { assert, LIMITS } from "#std";
import type { CommitCodec } from "./commit-codec.ts";
import { JournalError, journalErrorOf } from "./journal-error.ts";
import { type ChainMark, chainChecksum } from "./row-chain.ts";
import { openSqliteFile } from "./sqlite-file.ts";
import { readCommits } from "./sqlite-recovery.ts";

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
}

/**
 * Opens the journal at `path`, or makes it. `commits` reads from the file as it is iterated; read it to its end
 * before the first append. Throws JournalError; then nothing was changed.
 */
export function openSqliteJournal(options: SqliteJournalOptions): OpenedJournal {
  const { path, codec } = options;
  const { database, journalId, base, head } = openSqliteFile(options);
  const journal = new SqliteJournal({ path, codec, database, journalId, head });
  const commits: Iterable<Commit> = {
    *[Symbol.iterator]() {
      yield* readCommits({ path, codec, database, base, head: journal.head });
      journal.readyToAppend();
    },
  };
  return { journal, commits };
}

interface SqliteJournalParts {
  readonly path: string;
  readonly codec: CommitCodec;
  readonly database: DatabaseSync;
  readonly journalId: string;
  readonly head: ChainMark;
}

class SqliteJournal implements Journal {
  readonly journalId: string;
  readonly #path: string;
  readonly #codec: CommitCodec;
  readonly #database: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #insertRow: StatementSync;
  readonly #moveHead: StatementSync;
  readonly #commit: StatementSync;
  #head: ChainMark;
  #state: "unread" | "ready" | "failed" | "closed" = "unread";

  constructor(parts: SqliteJournalParts) {
    this.journalId = parts.journalId;
    this.#path = parts.path;
    this.#codec = parts.codec;
    this.#database = parts.database;
    this.#head = parts.head;
    this.#begin = parts.database.prepare("BEGIN IMMEDIATE");
    this.#insertRow = parts.database.prepare(
      "INSERT INTO commits (seq, engine_time, checksum, body) VALUES (?, ?, ?, ?)",
    );
    this.#moveHead = parts.database.prepare(
      "UPDATE chain SET seq = ?, engine_time = ?, checksum = ? WHERE mark = 'head'",
    );
    this.#commit = parts.database.prepare("COMMIT");
  }

  /** The last durable row. */
  get head(): ChainMark {
    return this.#head;
  }

  /** Called when the stored rows have been read to their end (J4). */
  readyToAppend(): void {
    if (this.#state === "unread") this.#state = "ready";
  }

  append(commit: Commit, done: (error?: Error) => void): void {
    assert(this.#state !== "closed", "append to a closed journal");
    assert(this.#state !== "unread", "read the journal's commits to their end before the first append");
    // `done` stands outside of every try: what it throws is its caller's fault, not the journal's.
    const error = this.#state === "failed" ? this.#stopped() : this.#write(commit);
    if (error) {
      this.#state = "failed";
      done(error);
    } else {
      done();
    }
  }

  /** Writes one row and syncs it. On failure the open transaction is left to `close`, which rolls it back. */
  #write(commit: Commit): JournalError | undefined {
    const { engineTimeMs } = commit;
    assert(Number.isSafeInteger(engineTimeMs), `engine time ${engineTimeMs} is not a whole number of milliseconds`);
    assert(
      engineTimeMs >= this.#head.engineTimeMs,
      `engine time fell from ${this.#head.engineTimeMs} to ${engineTimeMs}`,
    );
    const path = this.#path;
    let body: Uint8Array;
    try {
      body = this.#codec.encode(commit);
    } catch (cause) {
      return new JournalError("unencodable", { path, what: "a commit cannot be encoded", cause });
    }
    if (body.byteLength > LIMITS.commitRowBytesMax) {
      const what = `a commit of ${body.byteLength} bytes exceeds ${LIMITS.commitRowBytesMax}`;
      return new JournalError("row-too-large", { path, what });
    }
    const seq = this.#head.seq + 1;
    const checksum = chainChecksum(this.#head.checksum, { seq, engineTimeMs, body });
    try {
      this.#begin.run();
      this.#insertRow.run(seq, engineTimeMs, checksum, body);
      this.#moveHead.run(seq, engineTimeMs, checksum);
      this.#commit.run();
    } catch (error) {
      return journalErrorOf(error, { path, doing: `cannot write commit ${seq}` });
    }
    this.#head = { seq, engineTimeMs, checksum };
    return undefined;
  }

  #stopped(): JournalError {
    return new JournalError("stopped", { path: this.#path, what: "an earlier commit failed" });
  }

  /** Folds the log into the file and releases the lock. Harmless when repeated. */
  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#database.close();
  }
}
