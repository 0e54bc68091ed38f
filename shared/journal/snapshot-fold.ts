/**
 * One folding of commits into a snapshot: a worker reads them from the file, and what it gives back is written down here, in slices. Every
 * part is a transaction of its own; a last one moves the base and names the new generation, so that a crash at any moment leaves either
 * the old snapshot with all its commits or the new one. What was written before that is a left-over without a meaning.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import type { Clock } from "#ports";
import { assert, LIMITS } from "#std";
import type { FromWorker, ToWorker, WorkerOptions } from "./compaction-messages.ts";
import { JournalError } from "./journal-error.ts";
import { type ChainMark, partChecksum, snapshotChainStart } from "./row-chain.ts";
import { readSlice } from "./row-slice.ts";
import { readSnapshotChunks } from "./snapshot-rows.ts";
import type { SnapshotMark } from "./sqlite-tables.ts";

export interface FoldOptions {
  readonly path: string;
  readonly database: DatabaseSync;
  readonly journalId: string;
  /** See SqliteJournalOptions. */
  readonly hashSeed: number;
  readonly clock: Pick<Clock, "after">;
  /** What there is: a snapshot up to `base` (undefined: none yet) and the commits after it. */
  readonly base: ChainMark;
  readonly snapshot: SnapshotMark | undefined;
  /** The commit to fold up to, durable. */
  readonly to: ChainMark;
  /** Called once: with the new snapshot, whose base is `to`, or with what failed. Not called after `stop`. */
  readonly done: (result: FoldResult | Error) => void;
}

export interface FoldResult {
  readonly snapshot: SnapshotMark;
  readonly bytes: number;
}

/** How often the worker may find something else in the file than the owner does. Once is rare. */
const UNREAD_MAX = 5;

export class SnapshotFold {
  readonly #options: FoldOptions;
  readonly #generation: number;
  #worker: Worker | undefined;
  readonly #insertPart: StatementSync;
  #parts = 0;
  #bytes = 0;
  /** Of parts that were written since the log was folded last. */
  #loggedBytes = 0;
  #checksum: number;
  #unread = 0;
  #cancel: (() => void) | undefined;
  #ended = false;

  constructor(options: FoldOptions) {
    const { database, journalId, snapshot, to } = options;
    this.#options = options;
    this.#generation = (snapshot?.generation ?? 0) + 1;
    this.#checksum = snapshotChainStart({ journalId, generation: this.#generation, base: to });
    this.#insertPart = database.prepare(
      "INSERT INTO snapshot_parts (generation, part, checksum, body) VALUES (?, ?, ?, ?)",
    );
    this.#later(() => {
      foldLog(database); // the worker reads the file alone
      this.#worker = this.#start();
      return undefined;
    });
  }

  #start(): Worker {
    const { path, journalId, hashSeed, base, snapshot, to } = this.#options;
    const workerData: WorkerOptions = { path, journalId, hashSeed, base, snapshot, to };
    const worker = new Worker(new URL("./compaction-worker.ts", import.meta.url), { name: "compaction", workerData });
    worker.on("message", (message: FromWorker) => this.#later(() => this.#take(message)));
    worker.on("error", (error) => this.#end(error instanceof Error ? error : new Error(String(error))));
    worker.on("exit", (code) => this.#end(new Error(`the compaction worker ended with ${code}`)));
    return worker;
  }

  /** Ends it; what was written of the snapshot is left over. */
  stop(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancel?.();
    void this.#worker?.terminate();
  }

  #end(result: FoldResult | Error): void {
    if (this.#ended) return;
    this.stop();
    this.#options.done(result);
  }

  /** Runs one slice after a pause, in which the loop gets its turns. What it returns or throws ends the folding. */
  #later(slice: () => FoldResult | undefined): undefined {
    if (this.#ended) return;
    this.#cancel = this.#options.clock.after(LIMITS.compactPauseMs, () => {
      this.#cancel = undefined;
      let result: FoldResult | Error | undefined;
      try {
        result = slice();
      } catch (error) {
        result = error instanceof Error ? error : new Error(String(error));
      }
      if (result) this.#end(result);
    });
  }

  #take(message: FromWorker): FoldResult | undefined {
    if (message.type === "part") return this.#store(message.body);
    return message.type === "end" ? this.#finish() : this.#lookInto(message.what);
  }

  #say(message: ToWorker): undefined {
    this.#worker?.postMessage(message);
  }

  /** What the worker did not find is either damaged, which is said with the row at fault, or was caught while it was written. */
  #lookInto(what: string): undefined {
    this.#unread += 1;
    if (this.#unread === UNREAD_MAX) throw new Error(`the worker does not find in the file what is there: ${what}`);
    const proofs = this.#prove();
    const goOn = (): undefined => {
      if (!proofs.next().done) return this.#later(goOn);
      foldLog(this.#options.database);
      return this.#say({ type: "again" });
    };
    return goOn();
  }

  /** Reads everything that is to be folded, as the owner sees it, in slices. Throws JournalError with the row or part at fault. */
  *#prove(): Generator<undefined, void> {
    const { base, snapshot, to } = this.#options;
    if (snapshot) for (const _ of readSnapshotChunks({ ...this.#options, snapshot })) yield;
    for (let last = base; last.seq < to.seq; yield) last = readSlice({ ...this.#options, last }).at(-1) ?? last;
  }

  /** Writes one part; from time to time, in a slice of its own, folds the log, so that no commit has to wait for a large one. */
  #store(body: Uint8Array): undefined {
    const { path, database } = this.#options;
    const part = this.#parts + 1;
    if (body.byteLength > LIMITS.snapshotChunkBytesMax) {
      const what = `it has ${body.byteLength} bytes, more than ${LIMITS.snapshotChunkBytesMax}`;
      throw new JournalError("row-too-large", { path, part, what });
    }
    const checksum = partChecksum(this.#checksum, part, body);
    this.#insertPart.run(this.#generation, part, checksum, body);
    this.#parts = part;
    this.#bytes += body.byteLength;
    this.#checksum = checksum;
    this.#loggedBytes += body.byteLength;
    if (this.#loggedBytes < LIMITS.compactSliceBytes) return this.#say({ type: "next" });
    this.#loggedBytes = 0;
    return this.#later(() => {
      foldLog(database);
      return this.#say({ type: "next" });
    });
  }

  #finish(): FoldResult {
    const { database, to } = this.#options;
    assert(this.#parts > 0, "a snapshot has at least one part");
    const snapshot = { generation: this.#generation, parts: this.#parts, checksum: this.#checksum };
    database.exec("BEGIN IMMEDIATE");
    try {
      const move = database.prepare("UPDATE chain SET seq = ?, engine_time = ?, checksum = ? WHERE mark = 'base'");
      move.run(to.seq, to.engineTimeMs, to.checksum);
      database.exec("DELETE FROM snapshots");
      const name = database.prepare("INSERT INTO snapshots (generation, parts, checksum) VALUES (?, ?, ?)");
      name.run(snapshot.generation, snapshot.parts, snapshot.checksum);
      database.exec("COMMIT");
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
    return { snapshot, bytes: this.#bytes };
  }
}

/** Folds the log into the file as far as it goes. */
export function foldLog(database: DatabaseSync): void {
  database.exec("PRAGMA wal_checkpoint(PASSIVE)");
}
