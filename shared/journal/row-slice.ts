/** Reads the rows of a compaction, a bounded slice at a time, and proves each: no damage is folded into what replaces it. */
import type { DatabaseSync } from "node:sqlite";
import { LIMITS } from "#std";
import { JournalError } from "./journal-error.ts";
import type { ChainMark } from "./row-chain.ts";
import { type ProvenRow, proveEnd, proveRow, type Refuse } from "./sqlite-recovery.ts";

export interface RowSlicePlace {
  readonly path: string;
  readonly database: DatabaseSync;
  /** The row before the slice. */
  readonly last: ChainMark;
  /** The last row of all slices. */
  readonly to: ChainMark;
}

const SLICE = "SELECT seq, engine_time, checksum, body FROM commits WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?";

/** The next rows, at least one of them, oldest first. No statement stays open. Throws JournalError with the row at fault. */
export function readSlice({ path, database, last, to }: RowSlicePlace): readonly ProvenRow[] {
  const corrupt: Refuse = (row, what, cause) => new JournalError("corrupt", { path, row, what, cause });
  const rows: ProvenRow[] = [];
  let before = last;
  let bytes = 0;
  for (const stored of database.prepare(SLICE).iterate(last.seq, to.seq, LIMITS.compactSliceRows)) {
    const row = proveRow(stored, before, corrupt);
    rows.push(row);
    before = row;
    bytes += row.body.byteLength;
    if (bytes >= LIMITS.compactSliceBytes) break;
  }
  if (rows.length === 0 || before.seq === to.seq) proveEnd(before, to, corrupt);
  return rows;
}
