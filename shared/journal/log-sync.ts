/**
 * Syncs SQLite's log by a file descriptor of our own, beside the work of the process. SQLite keeps no locks on the log that closing it could
 * drop, and in exclusive mode keeps the same file until it is closed.
 */
import { closeSync, fdatasync, fdatasyncSync, openSync } from "node:fs";

export class LogSync {
  readonly #path: string;
  /** Opened when it is first needed: then SQLite has made the file. */
  #file: number | undefined;
  #syncs = false;
  #closed = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** A sync is under way. */
  get syncs(): boolean {
    return this.#syncs;
  }

  /** Syncs all that is written by now; `done` is called later, with the error if it failed. One at a time. Throws when it cannot be opened. */
  sync(done: (error?: Error) => void): void {
    this.#syncs = true;
    fdatasync(this.#open(), (error) => {
      this.#syncs = false;
      if (this.#closed) this.#release();
      done(error ?? undefined);
    });
  }

  /** As `sync`, and waits for it. Throws when it fails. */
  syncNow(): void {
    fdatasyncSync(this.#open());
  }

  close(): void {
    this.#closed = true;
    if (!this.#syncs) this.#release();
  }

  #open(): number {
    this.#file ??= openSync(this.#path, "r+");
    return this.#file;
  }

  #release(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}
