/**
 * Drops what a journal's file holds and nothing refers to: commits that are folded into the snapshot, and the parts of generations that were
 * replaced or never finished. In slices, each a transaction of its own, so that commits wait for one at most; the pages that come free are
 * used again. A crash in between leaves the rest for the next time.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "#ports";
import { LIMITS } from "#std";
import type { StoredRow } from "./sqlite-recovery.ts";

export interface LeftOversOf {
  readonly database: DatabaseSync;
  /** Commits up to this one are folded. */
  readonly baseSeq: number;
  /** The generation that counts; 0 when none does. */
  readonly generation: number;
}

const FOLDED = "SELECT seq, length(body) AS bytes FROM commits WHERE seq <= ? ORDER BY seq LIMIT ?";
const OTHER_PARTS =
  "SELECT generation, part, length(body) AS bytes FROM snapshot_parts WHERE generation <> ? ORDER BY generation, part LIMIT ?";

/** True when there is something to drop. */
export function hasLeftOvers({ database, baseSeq, generation }: LeftOversOf): boolean {
  if (database.prepare(FOLDED).get(baseSeq, 1) !== undefined) return true;
  return database.prepare(OTHER_PARTS).get(generation, 1) !== undefined;
}

/** Drops it slice by slice; `done` is called once, after the last or with what failed. The returned function stops it for good. */
export function dropLeftOvers(
  options: LeftOversOf & { readonly clock: Pick<Clock, "after">; readonly done: (error?: Error) => void },
): () => void {
  const { clock, done } = options;
  let cancel = () => {};
  const turn = () => {
    cancel = clock.after(LIMITS.compactPauseMs, () => {
      let more: boolean;
      try {
        more = dropSlice(options);
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      if (!more) done();
      else turn();
    });
  };
  turn();
  return () => cancel();
}

/** Drops all of it at once, however long that takes. */
export function dropAllLeftOvers(options: LeftOversOf): void {
  const { database, baseSeq, generation } = options;
  database.prepare("DELETE FROM commits WHERE seq <= ?").run(baseSeq);
  database.prepare("DELETE FROM snapshot_parts WHERE generation <> ?").run(generation);
}

function dropSlice({ database, baseSeq, generation }: LeftOversOf): boolean {
  const folded = sliceOf(database.prepare(FOLDED).iterate(baseSeq, LIMITS.compactSliceRows));
  if (folded !== undefined) {
    database.prepare("DELETE FROM commits WHERE seq <= ?").run(Number(folded.seq));
    return true;
  }
  const other = sliceOf(database.prepare(OTHER_PARTS).iterate(generation, LIMITS.compactSliceRows));
  if (other === undefined) return false;
  database
    .prepare("DELETE FROM snapshot_parts WHERE generation = ? AND part <= ?")
    .run(Number(other.generation), Number(other.part));
  return true;
}

/** The last of the rows that make up one slice, all of the same generation; undefined when there are none. */
function sliceOf(rows: Iterable<StoredRow>): StoredRow | undefined {
  let last: StoredRow | undefined;
  let bytes = 0;
  for (const row of rows) {
    if (last !== undefined && row.generation !== last.generation) break;
    last = row;
    bytes += Number(row.bytes);
    if (bytes >= LIMITS.compactSliceBytes) break;
  }
  return last;
}
