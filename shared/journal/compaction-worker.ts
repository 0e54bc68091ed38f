/**
 * The worker thread of compaction: rebuilds the state from the snapshot there is and the commits after it, and writes it down as a new
 * one. It reads the journal's file for itself and writes nothing.
 *
 * It reads the file alone, without its log and without a lock (the owner's lock admits nobody), while the owner goes on to fold later
 * commits into it. The rows that it is to read stay as they are; what leads to them may be caught half written. So nothing counts
 * before it is proven by its chain, and what does not fit is read again, in the end once the owner has found it sound. Whatever else goes
 * wrong ends the worker.
 */
import type { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { type BudgetState, createState, evolve, restoreState, snapshotParts } from "#budget";
import { decodeCommit, decodeSnapshot, encodeSnapshot } from "#codec";
import { assert } from "#std";
import type { FromWorker, ToWorker, WorkerOptions } from "./compaction-messages.ts";
import { openWithoutLog } from "./read-only.ts";
import type { ChainMark } from "./row-chain.ts";
import { readSlice } from "./row-slice.ts";
import { readSnapshotChunks } from "./snapshot-rows.ts";
import { messageOf } from "./sqlite-recovery.ts";

assert(parentPort !== null, "this file runs as a worker thread");
const port = parentPort;
const options: WorkerOptions = workerData;
const { path, hashSeed, to } = options;

/** How often it looks for the same row before it asks. */
const TRIES_MAX = 3;

/** What was read so far: undefined before the snapshot was, then the state after the row `last`. */
let state: BudgetState | undefined;
let last: ChainMark = options.base;
let parts: Iterator<Uint8Array> | undefined;

/** The file did not have what it should. */
class Unread extends Error {}

/** What `read` returns; whatever it throws is the file's fault. */
function proven<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new Unread(messageOf(cause), { cause });
  }
}

function readSnapshotOf(database: DatabaseSync): BudgetState {
  const { snapshot } = options;
  if (snapshot === undefined) return createState(hashSeed);
  const chunks = proven(() => Array.from(readSnapshotChunks({ ...options, database, snapshot })));
  return restoreState(decodeSnapshot(chunks), hashSeed);
}

/** Brings `state` to the row `to`, a slice of proven rows at a time. */
function readOn(database: DatabaseSync): void {
  state ??= readSnapshotOf(database);
  while (last.seq < to.seq) {
    const rows = proven(() => readSlice({ path, database, last, to }));
    for (const row of rows) {
      for (const event of decodeCommit(row.body).events) evolve(state, event);
      last = row;
    }
  }
}

function say(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

/** Reads to the end through a connection of its own, which has seen nothing of the file yet. What it did not find, if so. */
function tryToRead(): Unread | undefined {
  try {
    const database = proven(() => openWithoutLog(path));
    try {
      readOn(database);
    } finally {
      database.close();
    }
    return undefined;
  } catch (error) {
    if (error instanceof Unread) return error;
    throw error;
  }
}

/** Reads again when it was caught by a change; asks the owner when it comes no further. */
function fold(): void {
  let standing = 0;
  for (let missing = tryToRead(), from = last.seq; missing !== undefined; missing = tryToRead()) {
    standing = last.seq === from ? standing + 1 : 0;
    from = last.seq;
    if (standing === TRIES_MAX) {
      say({ type: "unread", what: missing.message });
      return;
    }
  }
  assert(state !== undefined, "a state was read");
  parts = encodeSnapshot(snapshotParts(state))[Symbol.iterator]();
  sayNextPart(parts);
}

function sayNextPart(from: Iterator<Uint8Array>): void {
  const next = from.next();
  if (next.done) {
    say({ type: "end" });
    return;
  }
  const body = next.value.slice(); // of its own, so that it can be handed over
  say({ type: "part", body }, [body.buffer]);
}

port.on("message", ({ type }: ToWorker) => {
  if (type === "again") fold();
  else if (parts !== undefined) sayNextPart(parts);
});
fold();
