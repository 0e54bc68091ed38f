/**
 * A worker's own account of what it did: one JSON object a line, handed to the operating system before anything is done because of it. The
 * audit reads these lines and nothing else of the worker, so that the books are held against what the worker knew and not against the code.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";

/** Amounts as workers count them. */
export interface Cost {
  readonly credits: number;
  readonly toolCalls: number;
}

export type CallEvent =
  /** It is about to ask for this. */
  | { readonly op: "reserve"; readonly wanted: Cost }
  /** It may make the call, within what was set aside. */
  | { readonly op: "held"; readonly holdId: string; readonly granted: Cost }
  /** It was told no. `sure`: to the only time it asked, so that no earlier asking can have had an effect. */
  | { readonly op: "refused"; readonly why: string; readonly sure: boolean }
  /** The call is made: this is what it truly cost, whatever anybody is told. */
  | { readonly op: "made"; readonly cost: Cost }
  /** It is about to say this: cumulative, and the truth when final. */
  | { readonly op: "settle"; readonly cost: Cost; readonly final: boolean }
  /** It was told that this is charged. `late`: the hold had lapsed or its allocation was closed before. */
  | { readonly op: "settled"; readonly cost: Cost; readonly final: boolean; readonly late: boolean }
  /** It was told no, or never got an answer, and asks no more. */
  | { readonly op: "unsettled"; readonly why: string };

export type CallLine = CallEvent & {
  /** Milliseconds since 1970, for people. */
  readonly t: number;
  /** The step's allocation, and the step's path of names. */
  readonly step: string;
  readonly path: string;
  /** request_id of the call within the step. */
  readonly call: string;
};

export class WorkerLog {
  readonly file: string;
  readonly #descriptor: number;
  #lines = 0;

  /** Begins a new log in `file`. */
  constructor(file: string) {
    this.file = file;
    this.#descriptor = openSync(file, "w");
  }

  /** Lines so far. */
  get lines(): number {
    return this.#lines;
  }

  add(line: CallLine): void {
    let bytes: Uint8Array = Buffer.from(`${JSON.stringify(line)}\n`);
    while (bytes.byteLength > 0) bytes = bytes.subarray(writeSync(this.#descriptor, bytes));
    this.#lines += 1;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** Every line of a log that was closed. */
export function readWorkerLog(file: string): CallLine[] {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as CallLine);
}
