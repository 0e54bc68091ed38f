/**
 * When a journal is compacted, and what happens around it: one folding at a time, left-overs dropped before and after, a failure told and
 * survived. The loop never stops for it; the journal goes on with what it has, and tries again when as much has come again.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "#ports";
import { LIMITS } from "#std";
import { JournalError, journalErrorOf } from "./journal-error.ts";
import { dropAllLeftOvers, dropLeftOvers, hasLeftOvers, type LeftOversOf } from "./left-overs.ts";
import type { ChainMark } from "./row-chain.ts";
import { type FoldResult, SnapshotFold } from "./snapshot-fold.ts";
import type { SnapshotMark } from "./sqlite-tables.ts";

/** How one compaction ended. */
export type CompactionReport =
  | {
      readonly ok: true;
      /** How many commits were folded, and the last of them. */
      readonly commits: number;
      readonly seq: number;
      readonly snapshotParts: number;
      readonly snapshotBytes: number;
    }
  /** The journal is as good as before: nothing was lost, and commits go on. */
  | { readonly ok: false; readonly error: JournalError };

export interface CompactorOptions {
  readonly path: string;
  readonly database: DatabaseSync;
  readonly journalId: string;
  /** See SqliteJournalOptions. */
  readonly hashSeed: number;
  readonly clock: Pick<Clock, "after">;
  readonly base: ChainMark;
  readonly snapshot: SnapshotMark | undefined;
  /** The last durable commit, now. */
  readonly head: () => ChainMark;
  /** Bytes of the bodies of the commits after the base. */
  readonly commitBytes: number;
  /** At how many of them it starts by itself. */
  readonly afterBytes: number;
  readonly onCompaction: (report: CompactionReport) => void;
}

type Done = (error?: Error) => void;

export class Compactor {
  readonly #options: CompactorOptions;
  #base: ChainMark;
  #snapshot: SnapshotMark | undefined;
  #commitBytes: number;
  #snapshotBytes: number;
  /** After a failure it is not tried again below this. */
  #notBelowBytes = 0;
  #stopStep: (() => void) | undefined;
  /** Said once the old rows are dropped, too. */
  #success: CompactionReport | undefined;
  /** Whoever waits for the compaction that is under way, and for the next one. */
  #waiting: Done[] = [];
  #next: Done[] = [];
  #stopped = false;

  constructor(options: CompactorOptions) {
    this.#options = options;
    this.#base = options.base;
    this.#snapshot = options.snapshot;
    this.#commitBytes = options.commitBytes;
    this.#snapshotBytes = snapshotBytesOf(options.database, options.snapshot);
    if (hasLeftOvers(this.#leftOvers())) this.#drop((error) => this.#idle(error && this.#failure(error)));
    else this.#startWhenDue();
  }

  get base(): ChainMark {
    return this.#base;
  }

  get snapshot(): SnapshotMark | undefined {
    return this.#snapshot;
  }

  /** Something is being written beside the commits, or will be in a moment. */
  get isAtWork(): boolean {
    return this.#stopStep !== undefined;
  }

  /** A commit whose body has so many bytes was written. */
  noteCommit(bytes: number): void {
    this.#commitBytes += bytes;
    this.#startWhenDue();
  }

  /** Folds what is durable now; `done` is called when that is so and the old rows are dropped, or with why not. */
  compact(done: Done): void {
    this.#next.push(done);
    this.#startWhenDue();
  }

  /** Gives up the room of what is unfinished, at once. False when there was nothing to give. Throws what SQLite throws. */
  makeRoom(): boolean {
    if (this.#stopStep === undefined) return false;
    this.#stopStep();
    this.#stopStep = undefined;
    dropAllLeftOvers(this.#leftOvers());
    const what = "it was given up because a commit needed the room";
    this.#idle(this.#success ?? new JournalError("disk-full", { path: this.#options.path, what }));
    return true;
  }

  /** Ends what is under way. What is unfinished is dropped when the journal is opened again. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#stopStep?.();
    this.#stopStep = undefined;
    const error = new JournalError("stopped", { path: this.#options.path, what: "it was closed before that was done" });
    for (const done of [...this.#waiting.splice(0), ...this.#next.splice(0)]) done(error);
  }

  #leftOvers(): LeftOversOf {
    return {
      database: this.#options.database,
      baseSeq: this.#base.seq,
      generation: this.#snapshot?.generation ?? 0,
    };
  }

  #isDue(): boolean {
    if (this.#next.length > 0) return true;
    return this.#commitBytes >= Math.max(this.#options.afterBytes, this.#snapshotBytes, this.#notBelowBytes);
  }

  #startWhenDue(): void {
    if (this.#stopped || this.#stopStep !== undefined || !this.#isDue()) return;
    this.#stopStep = this.#options.clock.after(0, () => {
      this.#waiting = this.#next.splice(0);
      // Only a failure leaves anything here: an earlier end was not followed by a drop of all that it left.
      if (hasLeftOvers(this.#leftOvers())) this.#drop((error) => (error ? this.#fail(error) : this.#fold()));
      else this.#fold();
    });
  }

  #fold(): void {
    const { head, ...rest } = this.#options;
    const [base, to, foldedBytes] = [this.#base, head(), this.#commitBytes];
    if (to.seq === base.seq) {
      this.#idle();
      return;
    }
    const done = (result: FoldResult | Error) => {
      if (result instanceof Error) {
        this.#fail(result);
        return;
      }
      this.#base = to;
      this.#snapshot = result.snapshot;
      this.#snapshotBytes = result.bytes;
      this.#commitBytes -= foldedBytes;
      const { snapshot, bytes } = result;
      const commits = to.seq - base.seq;
      this.#success = { ok: true, commits, seq: to.seq, snapshotParts: snapshot.parts, snapshotBytes: bytes };
      this.#drop((error) => this.#idle(error ? this.#failure(error) : this.#success));
    };
    const fold = new SnapshotFold({ ...rest, base, snapshot: this.#snapshot, to, done });
    this.#stopStep = () => fold.stop();
  }

  #drop(then: Done): void {
    this.#stopStep = dropLeftOvers({ ...this.#leftOvers(), clock: this.#options.clock, done: then });
  }

  /** The unfinished generation is dropped as far as that goes; what stays is tried again before the next folding. */
  #fail(error: Error): void {
    this.#drop(() => this.#idle(this.#failure(error)));
  }

  #failure(error: Error): JournalError {
    return journalErrorOf(error, { path: this.#options.path, doing: "cannot compact", otherwise: "not-compacted" });
  }

  /** Nothing is under way any more; tells how it ended. */
  #idle(ending?: CompactionReport | JournalError): void {
    this.#stopStep = undefined;
    this.#success = undefined;
    const error = ending instanceof Error ? ending : undefined;
    if (error) this.#notBelowBytes = this.#commitBytes + this.#options.afterBytes;
    const waiting = this.#waiting.splice(0);
    if (ending) this.#options.onCompaction(ending instanceof Error ? { ok: false, error: ending } : ending);
    for (const done of waiting) done(error);
    this.#startWhenDue();
  }
}

function snapshotBytesOf(database: DatabaseSync, snapshot: SnapshotMark | undefined): number {
  if (snapshot === undefined) return 0;
  const sum = "SELECT coalesce(sum(length(body)), 0) AS bytes FROM snapshot_parts WHERE generation = ?";
  return Number(database.prepare(sum).get(snapshot.generation)?.bytes);
}

/** At how many bytes of commits a journal is compacted by itself: earlier when the file may not have many pages. */
export function compactAfterBytes(pagesMax: number | undefined): number {
  if (pagesMax === undefined) return LIMITS.compactAfterBytes;
  const quarter = pagesMax * PAGE_BYTES * 0.25;
  return Math.max(LIMITS.compactAfterBytesMin, Math.min(LIMITS.compactAfterBytes, Math.floor(quarter)));
}

const PAGE_BYTES = 4_096;
