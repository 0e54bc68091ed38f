/**
 * What the client saw acknowledged, one JSON object a line. A line is written before anything is done because of it, and handed to the
 * operating system at once: a client that is killed has logged everything it acted on.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { badFile } from "../documents.ts";

export interface CallLogEntry {
  /** Wall time in milliseconds since 1970. */
  readonly t: number;
  readonly op: "reserve" | "settle";
  /** Line of the replayed log. */
  readonly line: number;
  readonly request_id: string;
  readonly hold_id: string;
  /** Credits set aside, or charged. */
  readonly credits: number;
  readonly acknowledged: true;
}

export class CallLog {
  readonly #file: string | undefined;
  readonly #descriptor: number | undefined;
  #waiting = "";

  /** Begins a new log in `file`; without one nothing is kept. Throws CommandError when it cannot be written. */
  constructor(file: string | undefined) {
    this.#file = file;
    if (file === undefined) return;
    try {
      this.#descriptor = openSync(file, "w");
    } catch (cause) {
      throw badFile("write the log to", file, cause);
    }
  }

  add(entry: CallLogEntry): void {
    if (this.#descriptor !== undefined) this.#waiting += `${JSON.stringify(entry)}\n`;
  }

  /** Writes what was added. Throws CommandError when it cannot be written. */
  flush(): void {
    if (this.#descriptor === undefined || this.#waiting === "") return;
    let bytes: Uint8Array = Buffer.from(this.#waiting);
    this.#waiting = "";
    try {
      while (bytes.byteLength > 0) bytes = bytes.subarray(writeSync(this.#descriptor, bytes));
    } catch (cause) {
      throw badFile("write the log to", this.#file ?? "", cause);
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
  }
}
