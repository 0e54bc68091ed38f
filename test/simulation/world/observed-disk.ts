/**
 * The disk of one daemon over all its lives: a MemoryDisk with the real codec, whose syncs take time, and whose commits are told to
 * whoever watches when they are decided and when they are durable.
 */
import { decodeCommit, encodeCommit } from "#codec";
import { MemoryDisk } from "#journal";
import type { Commit, OpenedJournal } from "#ports";
import type { VirtualClock, VirtualProcess } from "../../../shared/tier/testing/virtual-clock.ts";

export interface DiskWatcher {
  decided(commit: Commit, bytes: Uint8Array): void;
  /** Only a power cut can take it away any more; whoever is to hear of it at once does. */
  written(commit: Commit): void;
  durable(commit: Commit): void;
}

export interface ObservedDiskOptions {
  readonly clock: VirtualClock;
  readonly journalId: string;
  /** Milliseconds that the next sync takes. */
  readonly syncMs: () => number;
  readonly watcher: DiskWatcher;
}

export class ObservedDisk {
  readonly #options: ObservedDiskOptions;
  readonly #disk: MemoryDisk;
  /** Appended and not durable yet, oldest first. */
  #waiting: Commit[] = [];
  /** The process that has it open. */
  #process: VirtualProcess | undefined;

  constructor(options: ObservedDiskOptions) {
    this.#options = options;
    const codec = { encode: encodeCommit, decode: decodeCommit };
    this.#disk = new MemoryDisk({ journalId: options.journalId, syncs: "when-told", codec });
  }

  open(process: VirtualProcess): OpenedJournal {
    const opened = this.#disk.open();
    this.#process = process;
    const append: OpenedJournal["journal"]["append"] = (commit, done, written) => {
      const { watcher } = this.#options;
      watcher.decided(commit, encodeCommit(commit));
      this.#waiting.push(commit);
      const append = (onWritten?: () => void) =>
        opened.journal.append(
          commit,
          (error) => {
            if (!error) this.#isDurable();
            process.run(() => done(error));
          },
          onWritten,
        );
      if (!written) append();
      else {
        append(() => {
          watcher.written(commit);
          written();
        });
      }
      this.#syncLater(process);
    };
    return { ...opened, journal: { ...opened.journal, append } };
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Of these, the oldest so many are lost only if the machine loses power. */
  get outliving(): number {
    return this.#disk.outliving;
  }

  #syncLater(process: VirtualProcess): void {
    const { clock, syncMs } = this.#options;
    clock.after(syncMs(), () => {
      if (this.#process === process && this.#waiting.length > 0) this.#disk.sync(1);
    });
  }

  #isDurable(): void {
    const commit = this.#waiting.shift();
    if (commit) this.#options.watcher.durable(commit);
  }

  /** The next sync fails; the oldest `keeping` of what waits reach the disk although they are answered with the error. */
  fail(reason: "disk-full" | "io-error", keeping: number): void {
    this.#keep(keeping);
    this.#waiting = [];
    this.#disk.fail(reason, keeping);
  }

  /** The process dies. */
  crash(keeping: number): void {
    this.#keep(keeping);
    this.#waiting = [];
    this.#process = undefined;
    this.#disk.crash(keeping);
  }

  /** The process dies in the middle of a write: the last commit that waits reaches the disk in part, those before it as a whole. */
  tear(fraction: number): void {
    const last = this.#waiting.at(-1);
    const bytes = last === undefined ? 0 : Math.floor(encodeCommit(last).byteLength * fraction);
    this.#keep(this.#waiting.length - 1);
    this.#waiting = [];
    this.#process = undefined;
    this.#disk.tear(bytes);
  }

  /** Attempts to open it fail, so many times. */
  readFails(times: number): void {
    this.#disk.readFails(times);
  }

  /** Folds what is durable into a snapshot, which takes a while; commits go on meanwhile. */
  compact(afterMs: number, onFailure: (error: unknown) => void): void {
    const guarded = (step: () => void) => {
      try {
        step();
      } catch (error) {
        onFailure(error);
      }
    };
    guarded(() => {
      const finish = this.#disk.startCompaction();
      this.#options.clock.after(afterMs, () => guarded(finish));
    });
  }

  /** The process has closed its journal in peace. */
  closed(): void {
    this.#process = undefined;
  }

  #keep(keeping: number): void {
    for (const commit of this.#waiting.splice(0, Math.max(0, keeping))) this.#options.watcher.durable(commit);
  }
}
