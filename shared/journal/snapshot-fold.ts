/**
 * One folding of commits into a snapshot: hands the worker what there is, in slices, and writes down what it gives back. Every part is a
 * transaction of its own; a last one moves the base and names the new generation, so that a crash at any moment leaves either the old
 * snapshot with all its commits or the new one. What was written before that is a left-over without a meaning.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import type { Clock } from "#ports";
import { assert, LIMITS } from "#std";
import type { FromWorker, ToWorker } from "./compaction-messages.ts";
import { JournalError } from "./journal-error.ts";
import { type ChainMark, partChecksum, snapshotChainStart } from "./row-chain.ts";
import { readSnapshotChunks } from "./snapshot-rows.ts";
import { proveEnd, proveRow, type Refuse } from "./sqlite-recovery.ts";
import type { SnapshotMark } from "./sqlite-tables.ts";

export interface FoldOptions {
  readonly path: string;
  readonly database: DatabaseSync;
  readonly journalId: string;
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

const SLICE = "SELECT seq, engine_time, checksum, body FROM commits WHERE seq > ? AND seq <= ? ORDER BY seq";

export class SnapshotFold {
  readonly #options: FoldOptions;
  readonly #generation: number;
  readonly #worker: Worker;
  readonly #inputs: Iterator<ToWorker>;
  readonly #insertPart: StatementSync;
  #parts = 0;
  #bytes = 0;
  #checksum: number;
  #cancel: (() => void) | undefined;
  #ended = false;

  constructor(options: FoldOptions) {
    const { database, journalId, snapshot, to } = options;
    this.#options = options;
    this.#generation = (snapshot?.generation ?? 0) + 1;
    this.#checksum = snapshotChainStart({ journalId, generation: this.#generation, base: to });
    this.#inputs = this.#read();
    this.#insertPart = database.prepare(
      "INSERT INTO snapshot_parts (generation, part, checksum, body) VALUES (?, ?, ?, ?)",
    );
    this.#worker = new Worker(new URL("./compaction-worker.ts", import.meta.url), { name: "compaction" });
    this.#worker.on("message", (message: FromWorker) => this.#later(() => this.#take(message)));
    this.#worker.on("error", (error) => this.#end(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on("exit", (code) => this.#end(new Error(`the compaction worker ended with ${code}`)));
    this.#later(() => this.#feed());
  }

  /** Ends it; what was written of the snapshot is left over. */
  stop(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancel?.();
    void this.#worker.terminate();
  }

  #end(result: FoldResult | Error): void {
    if (this.#ended) return;
    this.stop();
    this.#options.done(result);
  }

  /** Runs one slice after a pause, in which the loop gets its turns. What it returns or throws ends the folding. */
  #later(slice: () => FoldResult | undefined): void {
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
    if (message.type === "more") return this.#feed();
    return message.type === "part" ? this.#store(message.body) : this.#finish();
  }

  #feed(): undefined {
    const next = this.#inputs.next();
    if (next.done) this.#say({ type: "fold" });
    else if (next.value.type === "chunk") this.#say(next.value, [next.value.body.buffer]);
    else if (next.value.type === "commits") {
      this.#say(next.value, [next.value.bodies.buffer, next.value.lengths.buffer]);
    }
  }

  #say(message: ToWorker, transfer: ArrayBuffer[] = []): undefined {
    this.#worker.postMessage(message, transfer);
  }

  /** What the worker needs, in slices; every row is proven, so that no damage is folded into what replaces it. */
  *#read(): Generator<ToWorker, void> {
    const { path, database, base, snapshot, to } = this.#options;
    if (snapshot) {
      for (const chunk of readSnapshotChunks({ ...this.#options, snapshot })) {
        yield { type: "chunk", body: chunk.slice() };
      }
    }
    const corrupt: Refuse = (row, what, cause) => new JournalError("corrupt", { path, row, what, cause });
    const select = database.prepare(SLICE);
    let last = base;
    while (last.seq < to.seq) {
      const bodies: Uint8Array[] = [];
      let bytes = 0;
      for (const stored of select.iterate(last.seq, to.seq)) {
        const row = proveRow(stored, last, corrupt);
        bodies.push(row.body);
        bytes += row.body.byteLength;
        last = row;
        if (bytes >= LIMITS.compactSliceBytes || bodies.length === LIMITS.compactSliceRows) break;
      }
      if (bodies.length === 0) break;
      yield commitsMessage(bodies, bytes);
    }
    proveEnd(last, to, corrupt);
  }

  /** Writes one part; then, in a slice of its own, folds the log while it is small, so that no commit has to wait for a large one. */
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
    this.#later(() => {
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

function commitsMessage(bodies: readonly Uint8Array[], bytes: number): ToWorker {
  const packed = new Uint8Array(bytes);
  let at = 0;
  for (const body of bodies) {
    packed.set(body, at);
    at += body.byteLength;
  }
  return { type: "commits", bodies: packed, lengths: Uint32Array.from(bodies, (body) => body.byteLength) };
}

/** Folds the log into the file as far as it goes. */
export function foldLog(database: DatabaseSync): void {
  database.exec("PRAGMA wal_checkpoint(PASSIVE)");
}
