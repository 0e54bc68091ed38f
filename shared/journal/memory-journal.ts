/**
 * The Journal port in memory. MemoryDisk plays the disk: it outlives the journals that are opened on it one after another,
 * as a file outlives processes. It can hold syncs back, fail, refuse to be read, lose or tear at a crash what was not synced, and fold
 * what is durable into a snapshot.
 * Like a disk it keeps order: what is durable is always a prefix of what was appended.
 */
import { type BudgetState, createState, evolve, restoreState, type SnapshotPart, snapshotParts } from "#budget";
import { decodeSnapshot, encodeSnapshot } from "#codec";
import type { Commit, Journal, OpenedJournal } from "#ports";
import { assert } from "#std";
import type { CommitCodec } from "./commit-codec.ts";
import { JournalError } from "./journal-error.ts";
import { MemoryRecords } from "./memory-records.ts";

export interface MemoryDiskOptions {
  readonly journalId: string;
  /**
   * `at-once` (default): each append is durable, and `done` called, before `append` returns.
   * `when-told`: appends wait for `sync()`.
   */
  readonly syncs?: "at-once" | "when-told";
  /** When given, commits are kept as bytes and decoded again at `open`, as on a real disk. Default: kept as they are. */
  readonly codec?: CommitCodec;
}

interface Pending {
  readonly commit: Commit | Uint8Array;
  readonly done: (error?: Error) => void;
  /** It was told that only a power cut can take it away. */
  readonly outlives: boolean;
}

interface Appended {
  readonly commit: Commit;
  readonly done: (error?: Error) => void;
  readonly written: (() => void) | undefined;
}

const PATH = "(memory)";

export class MemoryDisk {
  readonly #journalId: string;
  readonly #syncs: "at-once" | "when-told";
  readonly #codec: CommitCodec | undefined;
  readonly #records: MemoryRecords;
  /** The state that the commits before the records led to, as bytes; undefined while nothing was folded. */
  #snapshot: readonly Uint8Array[] | undefined;
  /** Engine time of the last commit that was folded. */
  #baseMs = 0;
  #pending: Pending[] = [];
  #lastMs = 0;
  /** What the next append is answered with. */
  #fault: "disk-full" | "io-error" | "stopped" | undefined;
  #readsToFail = 0;
  /** The journal now open on this disk; what an earlier one still says is no longer heard. */
  #current: Journal | undefined;
  /** Counts crashes and compactions: what was begun before one of them has no effect after it. */
  #era = 0;

  constructor(options: MemoryDiskOptions) {
    this.#journalId = options.journalId;
    this.#syncs = options.syncs ?? "at-once";
    this.#codec = options.codec;
    this.#records = new MemoryRecords(options.codec);
  }

  /** Opens the disk's one journal. Throws JournalError: `in-use` while another is open on it, `io-error` when told to. */
  open(): OpenedJournal {
    if (this.#current) throw new JournalError("in-use", { path: PATH, what: "already open" });
    if (this.#readsToFail > 0) {
      this.#readsToFail -= 1;
      throw new JournalError("io-error", { path: PATH, what: "told to fail" });
    }
    const journal: Journal = {
      journalId: this.#journalId,
      append: (commit, done, written) => this.#append(journal, { commit, done, written }),
      close: () => this.#close(journal),
    };
    this.#current = journal;
    this.#records.dropTorn();
    const commits = this.durable();
    this.#lastMs = commits.at(-1)?.engineTimeMs ?? this.#baseMs;
    return { journal, snapshot: this.durableSnapshot(), commits };
  }

  /** The commits that a crash now would leave behind, oldest first; those that were folded are in the snapshot. */
  durable(): readonly Commit[] {
    return this.#records.read();
  }

  /** The snapshot that a crash now would leave behind; can be read again. */
  durableSnapshot(): Iterable<SnapshotPart> | undefined {
    const chunks = this.#snapshot;
    return chunks && { [Symbol.iterator]: () => decodeSnapshot(chunks)[Symbol.iterator]() };
  }

  /** Commits appended and not yet synced. */
  get waiting(): number {
    return this.#pending.length;
  }

  /** Of these, the oldest so many outlive the process: only a power cut may lose them. */
  get outliving(): number {
    return this.#pending.findLastIndex(({ outlives }) => outlives) + 1;
  }

  /** Makes the oldest `count` waiting commits durable (default all), calling each `done` in order. */
  sync(count = this.#pending.length): void {
    for (const { commit, done } of this.#pending.splice(0, count)) {
      this.#records.push(commit);
      done();
    }
  }

  /** Folds what is durable into a snapshot, at once and as a whole. */
  compact(): void {
    this.startCompaction()();
  }

  /**
   * Begins to fold what is durable now; commits go on meanwhile and stay beside the snapshot. The returned function makes it take effect, and
   * says whether it did: after a crash, or when another was finished before it, it changes nothing.
   */
  startCompaction(): () => boolean {
    const era = this.#era;
    const [commits, before] = [this.durable(), this.durableSnapshot()];
    return () => {
      if (era !== this.#era) return false;
      const last = commits.at(-1);
      if (last === undefined) return true;
      const state: BudgetState = before === undefined ? createState() : restoreState(before);
      for (const commit of commits) for (const event of commit.events) evolve(state, event);
      this.#snapshot = Array.from(encodeSnapshot(snapshotParts(state)), (chunk) => chunk.slice());
      this.#baseMs = last.engineTimeMs;
      this.#records.dropFirst(commits.length);
      this.#era += 1;
      return true;
    };
  }

  /**
   * From now on every sync fails, until the disk is opened again: what waits (or else the next append) is answered with
   * `reason`, what comes after with `stopped`. The oldest `keeping` (default 0) of those that wait reach the disk
   * although they are answered with the error.
   */
  fail(reason: "disk-full" | "io-error" = "io-error", keeping = 0): void {
    const waiting = this.#pending;
    this.#pending = [];
    this.#fault = waiting.length > 0 ? "stopped" : reason;
    for (const { commit } of waiting.slice(0, keeping)) this.#records.push(commit);
    for (const { done } of waiting) done(new JournalError(reason, { path: PATH, what: "told to fail" }));
  }

  /** The next `times` (default 1) attempts to open the disk fail with `io-error`; what is on it stays. */
  readFails(times = 1): void {
    this.#readsToFail = times;
  }

  /**
   * The process dies, or the power: what was not synced is lost, except the oldest `keeping` commits (default 0), which had reached
   * the disk unacknowledged. When the process alone dies, they are at least those that outlive it. Their `done` is never called. The disk can be opened again.
   */
  crash(keeping = 0): void {
    for (const { commit } of this.#pending.slice(0, keeping)) this.#records.push(commit);
    this.#release();
  }

  /**
   * The process dies in the middle of a write: of the commits that wait, the last reaches the disk with its first `bytes` bytes only,
   * those before it as a whole. When the disk is opened, the torn one is found by its checksum and is not there; one that is not longer
   * than `bytes` is whole. Nothing waiting: as `crash()`. Needs a codec.
   */
  tear(bytes: number): void {
    assert(this.#codec !== undefined, "only bytes can be torn: give the disk a codec");
    const torn = this.#pending.pop();
    for (const { commit } of this.#pending) this.#records.push(commit);
    if (torn) this.#records.push(torn.commit, bytes);
    this.#release();
  }

  #append(journal: Journal, { commit, done, written }: Appended): void {
    assert(journal === this.#current, "append to a journal that is closed or died in a crash");
    if (this.#fault) {
      const reason = this.#fault;
      this.#fault = "stopped";
      done(new JournalError(reason, { path: PATH, what: "told to fail" }));
      return;
    }
    const { engineTimeMs } = commit;
    assert(Number.isSafeInteger(engineTimeMs), `engine time ${engineTimeMs} is not a whole number of milliseconds`);
    assert(engineTimeMs >= this.#lastMs, `engine time fell from ${this.#lastMs} to ${engineTimeMs}`);
    this.#lastMs = engineTimeMs;
    const outlives = written !== undefined;
    this.#pending.push({ commit: this.#codec ? this.#codec.encode(commit) : commit, done, outlives });
    written?.();
    if (this.#syncs === "at-once") this.sync();
  }

  /** Closing syncs what waits, as closing the file on disk does. */
  #close(journal: Journal): void {
    if (journal !== this.#current) return;
    if (!this.#fault) this.sync();
    this.#release();
  }

  /** Without a journal on it nothing is under way. */
  #release(): void {
    this.#pending = [];
    this.#fault = undefined;
    this.#current = undefined;
    this.#era += 1;
  }
}
