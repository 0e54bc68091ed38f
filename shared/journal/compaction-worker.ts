/**
 * The worker thread of compaction: rebuilds the state from the snapshot there is and the commits after it, and writes it down as a new
 * one. It has no file and no clock; what it is told was proven by the thread that read it. Whatever goes wrong ends it.
 */
import { parentPort } from "node:worker_threads";
import { type BudgetState, createState, evolve, restoreState, snapshotParts } from "#budget";
import { decodeCommit, decodeSnapshot, encodeSnapshot } from "#codec";
import { assert } from "#std";
import type { FromWorker, ToWorker } from "./compaction-messages.ts";

assert(parentPort !== null, "this file runs as a worker thread");
const port = parentPort;

let chunks: Uint8Array[] = [];
let state: BudgetState | undefined;
let parts: Iterator<Uint8Array> | undefined;

/** The state up to here; the snapshot is complete when it is first asked for. */
function stateSoFar(): BudgetState {
  state ??= chunks.length === 0 ? createState() : restoreState(decodeSnapshot(chunks));
  chunks = [];
  return state;
}

function evolveBy(bodies: Uint8Array, lengths: Uint32Array): void {
  const target = stateSoFar();
  let from = 0;
  for (const length of lengths) {
    const commit = decodeCommit(bodies.subarray(from, from + length));
    for (const event of commit.events) evolve(target, event);
    from += length;
  }
}

function say(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

function sayNextPart(): void {
  const next = parts?.next();
  if (next === undefined || next.done) {
    say({ type: "end" });
    return;
  }
  const body = next.value.slice(); // of its own, so that it can be handed over
  say({ type: "part", body }, [body.buffer]);
}

port.on("message", (message: ToWorker) => {
  if (message.type === "chunk") {
    chunks.push(message.body);
    say({ type: "more" });
  } else if (message.type === "commits") {
    evolveBy(message.bodies, message.lengths);
    say({ type: "more" });
  } else {
    parts ??= encodeSnapshot(snapshotParts(stateSoFar()))[Symbol.iterator]();
    sayNextPart();
  }
});
