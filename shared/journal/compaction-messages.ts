/**
 * What the main thread and the compaction worker say to each other, strictly in turn: the worker reads for itself and begins by itself; then
 * each message is answered by one of the other side, so that the main thread sets the pace of what it has to write. What is sent as bytes
 * is handed over, not copied.
 */
import type { ChainMark } from "./row-chain.ts";
import type { SnapshotMark } from "./sqlite-tables.ts";

/** What it is started with: which snapshot and which rows it is to fold, all of them in the journal's file and not only in its log. */
export interface WorkerOptions {
  readonly path: string;
  readonly journalId: string;
  /** See SqliteJournalOptions. */
  readonly hashSeed: number;
  readonly base: ChainMark;
  /** Undefined: none yet. */
  readonly snapshot: SnapshotMark | undefined;
  readonly to: ChainMark;
}

export type ToWorker =
  /** The file is sound and has what was not found: read on from there. */
  { readonly type: "again" } | { readonly type: "next" };

export type FromWorker =
  /** It did not find in the file what should be there, which the main thread has to look into. */
  | { readonly type: "unread"; readonly what: string }
  /** The next part of the new snapshot. */
  | { readonly type: "part"; readonly body: Uint8Array<ArrayBuffer> }
  | { readonly type: "end" };
