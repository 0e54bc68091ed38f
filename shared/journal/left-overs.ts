/**
 * Drops what a journal's file holds and nothing refers to: commits that are folded into the snapshot, and the parts of generations that were
 * replaced or never finished. In slices, each a transaction of its own, so that commits wait for one at most; the pages that come free are
 * used again. A crash in between leaves the rest for the next time.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "#ports";
import { LIMITS } from "#std";
import { foldLog } from "./snapshot-fold.ts";

export interface LeftOversOf {
  readonly database: DatabaseSync;
  /** Commits up to this one are folded. */
  readonly baseSeq: number;
  /** The generation that counts; 0 when none does. */
  readonly generation: number;
}

const FOLDED = "SELECT seq, length(body) AS bytes FROM commits WHERE seq <= ? ORDER BY seq LIMIT ?";
const OTHER_PART = "SELECT generation, part FROM snapshot_parts WHERE generation <> ? LIMIT 1";

/** True when there is something to drop. */
export function hasLeftOvers({ database, baseSeq, generation }: LeftOversOf): boolean {
  if (database.prepare(FOLDED).get(baseSeq, 1) !== undefined) return true;
  return database.prepare(OTHER_PART).get(generation) !== undefined;
}

/** Drops it slice by slice; `done` is called once, after the last or with what failed. The returned function stops it for good. */
export function dropLeftOvers(
  options: LeftOversOf & { readonly clock: Pick<Clock, "after">; readonly done: (error?: Error) => void },
): () => void {
  const { database, clock, done } = options;
  let cancel = () => {};
  const turn = (slice: () => boolean) => {
    cancel = clock.after(LIMITS.compactPauseMs, () => {
      let more: boolean;
      try {
        more = slice();
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      if (!more) done();
      else turn(slice === drop ? fold : drop);
    });
  };
  const drop = () => dropSlice(options);
  const fold = () => {
    foldLog(database);
    return true;
  };
  turn(drop);
  return () => cancel();
}

/** Drops all of it at once, however long that takes. */
export function dropAllLeftOvers(options: LeftOversOf): void {
  const { database, baseSeq, generation } = options;
  database.prepare("DELETE FROM commits WHERE seq <= ?").run(baseSeq);
  database.prepare("DELETE FROM snapshot_parts WHERE generation <> ?").run(generation);
}

function dropSlice({ database, baseSeq, generation }: LeftOversOf): boolean {
  let upTo: number | undefined;
  let bytes = 0;
  for (const row of database.prepare(FOLDED).iterate(baseSeq, LIMITS.compactSliceRows)) {
    upTo = Number(row.seq);
    bytes += Number(row.bytes);
    if (bytes >= LIMITS.compactSliceBytes) break;
  }
  if (upTo !== undefined) {
    database.prepare("DELETE FROM commits WHERE seq <= ?").run(upTo);
    return true;
  }
  const part = database.prepare(OTHER_PART).get(generation);
  if (part === undefined) return false;
  database
    .prepare("DELETE FROM snapshot_parts WHERE generation = ? AND part = ?")
    .run(Number(part.generation), Number(part.part));
  return true;
}
