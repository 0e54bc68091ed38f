/** A daemon's log file: everything it said, within a bound. A file that is full becomes `NAME.1`, the one before that goes. */
import { closeSync, existsSync, mkdirSync, openSync, renameSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { LIMITS } from "#std";
import { badFile } from "../documents.ts";

export interface DaemonLogOptions {
  readonly file: string;
  /** Told once when the file cannot be written any more; the daemon goes on. */
  readonly onFailure: (failure: Error) => void;
  /** Default LIMITS.daemonLogBytesMax. */
  readonly bytesMax?: number;
}

export class DaemonLog {
  readonly #options: DaemonLogOptions;
  readonly #bytesMax: number;
  #descriptor: number;
  #bytes: number;
  #broken = false;

  /** Goes on with the file that is there. Throws CommandError when it cannot be opened. */
  constructor(options: DaemonLogOptions) {
    this.#options = options;
    this.#bytesMax = options.bytesMax ?? LIMITS.daemonLogBytesMax;
    const { file } = options;
    try {
      mkdirSync(dirname(file), { recursive: true });
      this.#bytes = existsSync(file) ? statSync(file).size : 0;
      this.#descriptor = openSync(file, "a");
    } catch (cause) {
      throw badFile("write the log to", file, cause);
    }
  }

  write(line: string): void {
    if (this.#broken) return;
    const bytes = Buffer.from(`${line}\n`);
    try {
      if (this.#bytes > 0 && this.#bytes + bytes.byteLength > this.#bytesMax) this.#rollOver();
      writeSync(this.#descriptor, bytes);
      this.#bytes += bytes.byteLength;
    } catch (cause) {
      this.#broken = true;
      this.#options.onFailure(badFile("write the log to", this.#options.file, cause));
    }
  }

  close(): void {
    this.#broken = true;
    closeSync(this.#descriptor);
  }

  #rollOver(): void {
    const { file } = this.#options;
    closeSync(this.#descriptor);
    renameSync(file, `${file}.1`);
    this.#descriptor = openSync(file, "a");
    this.#bytes = 0;
  }
}
