/**
 * Reads a journal's rows back, oldest first, one at a time, and proves each before it is handed out: its place, its
 * types, its checksum in the chain, its engine time, its body. The first row that does not fit ends the reading by name.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Commit } from "#ports";
import { LIMITS } from "#std";
import type { CommitCodec } from "./commit-codec.ts";
import { JournalError } from "./journal-error.ts";
import { type ChainMark, chainChecksum } from "./row-chain.ts";
import { isCount } from "./sqlite-file.ts";

export interface ReadCommitsOptions {
  readonly path: string;
  readonly codec: CommitCodec;
  readonly database: DatabaseSync;
  /** Where the stored rows begin. */
  readonly base: ChainMark;
  /** Where they end. */
  readonly head: ChainMark;
}

interface ProvenRow extends ChainMark {
  readonly body: Uint8Array;
}

/** Makes the error for a row: what is wrong with it, and what caused it when something threw. */
type Corrupt = (seq: number, what: string, cause?: unknown) => JournalError;

/** Yields every commit after `base` up to `head`. Throws JournalError `corrupt` with the row at fault. */
export function* readCommits(options: ReadCommitsOptions): Generator<Commit, void> {
  const { path, codec, head } = options;
  const corrupt: Corrupt = (row, what, cause) => new JournalError("corrupt", { path, row, what, cause });
  let last = options.base;
  const rows = options.database.prepare("SELECT seq, engine_time, checksum, body FROM commits ORDER BY seq").iterate();
  try {
    for (let stored = step(rows, last, corrupt); stored; stored = step(rows, last, corrupt)) {
      const row = prove(stored, last, corrupt);
      if (row.seq > head.seq) throw corrupt(row.seq, `it stands after the journal's head, row ${head.seq}`);
      yield decode(row, codec, corrupt);
      last = row;
    }
  } finally {
    rows.return?.();
  }
  if (last.seq < head.seq) throw corrupt(last.seq + 1, `it is missing; the journal's head is row ${head.seq}`);
  if (last.checksum !== head.checksum || last.engineTimeMs !== head.engineTimeMs) {
    const what = `checksum ${last.checksum} and engine time ${last.engineTimeMs} ms differ from the journal's head:`;
    throw corrupt(last.seq, `${what} ${head.checksum} and ${head.engineTimeMs} ms`);
  }
}

type StoredRow = Readonly<Record<string, unknown>>;

/** The next row as it is stored; undefined after the last. What SQLite cannot read is the row after `last`. */
function step(rows: Iterator<StoredRow>, last: ChainMark, corrupt: Corrupt): StoredRow | undefined {
  try {
    const next = rows.next();
    return next.done ? undefined : next.value;
  } catch (error) {
    throw corrupt(last.seq + 1, `it cannot be read: ${messageOf(error)}`, error);
  }
}

function prove(stored: StoredRow, last: ChainMark, corrupt: Corrupt): ProvenRow {
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

function decode(row: ProvenRow, codec: CommitCodec, corrupt: Corrupt): Commit {
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
