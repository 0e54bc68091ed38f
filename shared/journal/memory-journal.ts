/**
 * The Journal port in memory. MemoryDisk plays the disk: it outlives the journals that are opened on it one after another,
 * as a file outlives processes. It can hold syncs back, fail, and lose at a crash what was not synced.
 * Like a disk it keeps order: what is durable is always a prefix of what was appended.
 */
import type { Commit, Journal, OpenedJournal } from "#ports";
import { assert } from "#std";
import type { CommitCodec } from "./commit-codec.ts";
import { JournalError } from "./journal-error.ts";

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
  readonly kept: Commit | Uint8Array;
  readonly done: (error?: Error) => void;
}

const PATH = "(memory)";

export class MemoryDisk {
  readonly #journalId: string;
  readonly #syncs: "at-once" | "when-told";
  readonly #codec: CommitCodec | undefined;
  readonly #durable: (Commit | Uint8Array)[] = [];
  #pending: Pending[] = [];
  #lastMs = 0;
  /** What the next append is answered with. */
  #fault: "disk-full" | "io-error" | "stopped" | undefined;
  /** The journal now open on this disk; what an earlier one still says is no longer heard. */
  #current: Journal | undefined;

  constructor(options: MemoryDiskOptions) {
    this.#journalId = options.journalId;
    this.#syncs = options.syncs ?? "at-once";
    this.#codec = options.codec;
  }

  /** Opens the disk's one journal. Throws JournalError `in-use` while another is open on it. */
  open(): OpenedJournal {
    if (this.#current) throw new JournalError("in-use", { path: PATH, what: "already open" });
    const journal: Journal = {
      journalId: this.#journalId,
      append: (commit, done) => this.#append(journal, commit, done),
      close: () => this.#close(journal),
    };
    this.#current = journal;
    const commits = this.durable();
    this.#lastMs = commits.at(-1)?.engineTimeMs ?? 0;
    return { journal, commits };
  }

  /** What a crash now would leave behind, oldest first. */
  durable(): readonly Commit[] {
    return this.#durable.map((kept) => this.#commitOf(kept));
  }

  /** Commits appended and not yet synced. */
  get waiting(): number {
    return this.#pending.length;
  }

  /** Makes the oldest `count` waiting commits durable (default all), calling each `done` in order. */
  sync(count = this.#pending.length): void {
    for (const { kept, done } of this.#pending.splice(0, count)) {
      this.#durable.push(kept);
      done();
    }
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
    for (const { kept } of waiting.slice(0, keeping)) this.#durable.push(kept);
    for (const { done } of waiting) done(new JournalError(reason, { path: PATH, what: "told to fail" }));
  }

  /**
   * The process dies: what was not synced is lost, except the oldest `keeping` commits (default 0), which had reached
   * the disk unacknowledged. Their `done` is never called. The disk can be opened again.
   */
  crash(keeping = 0): void {
    for (const { kept } of this.#pending.slice(0, keeping)) this.#durable.push(kept);
    this.#release();
  }

  #append(journal: Journal, commit: Commit, done: (error?: Error) => void): void {
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
    this.#pending.push({ kept: this.#codec ? this.#codec.encode(commit) : commit, done });
    if (this.#syncs === "at-once") this.sync();
  }

  /** Closing syncs what waits, as closing the file on disk does. */
  #close(journal: Journal): void {
    if (journal !== this.#current) return;
    if (!this.#fault) this.sync();
    this.#release();
  }

  #release(): void {
    this.#pending = [];
    this.#fault = undefined;
    this.#current = undefined;
  }

  #commitOf(kept: Commit | Uint8Array): Commit {
    if (!(kept instanceof Uint8Array)) return kept;
    assert(this.#codec !== undefined, "bytes are only kept when there is a codec");
    return this.#codec.decode(kept);
  }
}
