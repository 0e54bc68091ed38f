/**
 * The bare thing beside the journal: one small row committed and synced by SQLite (WAL, synchronous=FULL, an insert as its own
 * transaction), with nothing of ours around it. Benches divide by it, so that a row says what we add to the disk and not how fast the
 * disk is. Equal processes differ, so three of them take a third of the time each, and a quantile is the one in the middle of theirs.
 */
import { tmpdir } from "node:os";
import { median } from "../bench-report/statistics.ts";
import { forkProcess } from "./forked.ts";
import type { TimesAnswer, TimesAsked } from "./samples.ts";

const PROCESSES = 3;
const WARM_UP_MS = 100;

export interface CommitBaseline {
  /** Commits for so long in all; the times are kept. */
  take(durationMs: number): Promise<void>;
  /** Of all the times that were taken, in milliseconds. */
  quantiles(shares: readonly number[]): Promise<TimesAnswer>;
  close(): Promise<void>;
}

/** `folder`: choose the disk that the journals of the bench are on. Default: the system's for temporary files. */
export async function startCommitBaseline(folder: string = tmpdir()): Promise<CommitBaseline> {
  const loops = await Promise.all(
    Array.from({ length: PROCESSES }, () =>
      forkProcess<object, TimesAsked, TimesAnswer>("./baseline-commit-loop.ts", { args: [folder] }),
    ),
  );
  for (const loop of loops) await loop.ask({ takeForMs: WARM_UP_MS, counts: false });
  return {
    take: async (durationMs) => {
      for (const loop of loops) await loop.ask({ takeForMs: durationMs / PROCESSES, counts: true });
    },
    quantiles: async (shares) => {
      const each = await Promise.all(loops.map((loop) => loop.ask({ quantiles: shares })));
      return shares.map((_, index) => median(each.map((quantiles) => quantiles[index] ?? Number.NaN)));
    },
    close: async () => {
      for (const loop of loops) await loop.stop();
    },
  };
}
