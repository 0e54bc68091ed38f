/**
 * Reads a journal's rows back, oldest first, one at a time, and proves each before it is handed out: its place, its
 * types, its checksum in the chain, its engine time, its body. The first row that does not fit ends the reading by name.
 */
import type { DatabaseSync } from "node:sqlite";
import { CommitFormatError } from "#codec";
import type { Commit } from "#ports";
import { LIMITS } from "#std";
import type { CommitCodec } from "./commit-codec.ts";
import { JournalError, type JournalErrorReason } from "./journal-error.ts";
import { type ChainMark, chainChecksum } from "./row-chain.ts";
import { isCount } from "./sqlite-tables.ts";

export interface ReadCommitsOptions {
  readonly path: string;
  readonly codec: CommitCodec;
  readonly database: DatabaseSync;
  /** Where the stored rows begin. */
  readonly base: ChainMark;
  /** Where they end. */
  readonly head: ChainMark;
}

export interface StoredCommit {
  /** Its number in the journal, from 1. */
  readonly seq: number;
  readonly commit: Commit;
  /** Bytes of its row's body. */
  readonly bytes: number;
}

/** A row whose content fits its place in the chain. */
export interface ProvenRow extends ChainMark {
  readonly body: Uint8Array;
}

/** Makes the error for a row: what is wrong with it, and what caused it when something threw. */
export type Refuse = (seq: number, what: string, cause?: unknown) => JournalError;

export type StoredRow = Readonly<Record<string, unknown>>;

/** The columns that `proveRow` wants, in the order of the chain. */
const ROWS_AFTER = "SELECT seq, engine_time, checksum, body FROM commits WHERE seq > ? ORDER BY seq";

/** Yields every commit after `base` up to `head`. Throws JournalError with the row at fault. */
export function* readCommits(options: ReadCommitsOptions): Generator<StoredCommit, void> {
  const { path, codec, head } = options;
  const corrupt: Refuse = (row, what, cause) => new JournalError(faultOf(cause), { path, row, what, cause });
  let last = options.base;
  const rows = options.database.prepare(ROWS_AFTER).iterate(last.seq);
  try {
    for (let stored = step(rows, last, corrupt); stored; stored = step(rows, last, corrupt)) {
      const row = proveRow(stored, last, corrupt);
      if (row.seq > head.seq) throw corrupt(row.seq, `it stands after the journal's head, row ${head.seq}`);
      yield { seq: row.seq, commit: decode(row, codec, corrupt), bytes: row.body.byteLength };
      last = row;
    }
  } finally {
    rows.return?.();
  }
  proveEnd(last, head, corrupt);
}

/** The next row as it is stored; undefined after the last. What SQLite cannot read is the row after `last`. */
function step(rows: Iterator<StoredRow>, last: ChainMark, corrupt: Refuse): StoredRow | undefined {
  try {
    const next = rows.next();
    return next.done ? undefined : next.value;
  } catch (error) {
    throw corrupt(last.seq + 1, `it cannot be read: ${messageOf(error)}`, error);
  }
}

/** The row after `last`, when what is stored is it. */
export function proveRow(stored: StoredRow, last: ChainMark, corrupt: Refuse): ProvenRow {
  const { seq, engine_time: engineTimeMs, checksum, body } = stored;
  const expected = last.seq + 1;
  if (seq !== expected) throw corrupt(expected, `it is missing; the row after ${last.seq} is ${String(seq)}`);
  if (!(body instanceof Uint8Array)) throw corrupt(seq, `its body is ${typeof body}, not bytes`);
  if (body.byteLength > LIMITS.commitRowBytesMax) {
    throw corrupt(seq, `its body has ${body.byteLength} bytes, more than ${LIMITS.commitRowBytesMax}`);
  }
  if (!isCount(engineTimeMs)) throw corrupt(seq, `its engine time is ${String(engineTimeMs)}`);
  const computed = chainChecksum(last.checksum, { seq, engineTimeMs, body });
  if (checksum !== computed) {
    throw corrupt(seq, `its checksum is ${String(checksum)}, its content and the rows before give ${computed}`);
  }
  if (engineTimeMs < last.engineTimeMs) {
    throw corrupt(seq, `its engine time ${engineTimeMs} ms is before that of the row before, ${last.engineTimeMs} ms`);
  }
  return { seq, engineTimeMs, checksum, body };
}

/** Holds the last row that was read to where the rows are said to end. */
export function proveEnd(last: ChainMark, head: ChainMark, corrupt: Refuse): void {
  if (last.seq < head.seq) throw corrupt(last.seq + 1, `it is missing; the journal's head is row ${head.seq}`);
  if (last.checksum !== head.checksum || last.engineTimeMs !== head.engineTimeMs) {
    const what = `checksum ${last.checksum} and engine time ${last.engineTimeMs} ms differ from the journal's head:`;
    throw corrupt(last.seq, `${what} ${head.checksum} and ${head.engineTimeMs} ms`);
  }
}

function decode(row: ProvenRow, codec: CommitCodec, corrupt: Refuse): Commit {
  let commit: Commit;
  try {
    commit = codec.decode(row.body);
  } catch (error) {
    throw corrupt(row.seq, `its body cannot be decoded: ${messageOf(error)}`, error);
  }
  if (commit.engineTimeMs !== row.engineTimeMs) {
    throw corrupt(row.seq, `its body says engine time ${commit.engineTimeMs} ms, the row ${row.engineTimeMs} ms`);
  }
  return commit;
}

/** Bytes that fit their checksum and say that they are of a newer format were not damaged: a later release wrote them. */
export function faultOf(cause: unknown): JournalErrorReason {
  return cause instanceof CommitFormatError && cause.fault === "newer-format" ? "newer-version" : "corrupt";
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
