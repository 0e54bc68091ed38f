/** Round after round in folders of their own, some side by side: a round waits more than it works. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { playRound, type RoundReport } from "./round.ts";
import { planRound } from "./round-plan.ts";

export interface SeriesOptions {
  readonly rounds: number;
  /** Seed of the first round; the next ones count on from it. */
  readonly seed: number;
  /** Rounds side by side. */
  readonly lanes: number;
  /** Folder of all rounds; what stays in it when all is over are the folders of those that failed. */
  readonly folder: string;
  readonly onReport: (report: RoundReport) => void;
}

/** One round in so many has a silence that outlasts the lease of 15 s. */
const FULL_LEASE_EVERY = 20;
const SEEDS = 2 ** 32;

/** Plays all rounds. Returns how many failed. */
export async function playSeries({ rounds, seed, lanes, folder, onReport }: SeriesOptions): Promise<number> {
  const compileCache = join(folder, "compiled");
  let next = 0;
  let failed = 0;
  const lane = async (): Promise<void> => {
    while (next < rounds) {
      const at = next;
      next += 1;
      const own = (seed + at) % SEEDS;
      const plan = planRound(String(own), { fullLease: own % FULL_LEASE_EVERY === 0 });
      const report = await playRound({ plan, folder: join(folder, `round-${own}`), compileCache });
      if (report.problems.length > 0) failed += 1;
      else rmSync(report.folder, { recursive: true, force: true });
      onReport(report);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  rmSync(compileCache, { recursive: true, force: true });
  return failed;
}

/** One line about a round, and one more for each of its problems. */
export function linesOf(report: RoundReport): string[] {
  const { seed, blows, runs, calls, settled, spent, doubt, elapsedMs, aborts, problems, folder } = report;
  const counts = `${runs} runs, ${calls} calls, ${settled} settled, ${spent} credits spent`;
  const doubted = doubt > 0n ? `, ${doubt} seen in doubt` : "";
  const aborted = aborts > 0 ? `, ${aborts} aborted by a defect of Node's HTTP/2` : "";
  const stand = problems.length === 0 ? "ok" : `FAILED, kept in ${folder}`;
  const line = `seed ${seed}: ${blows}; ${counts}${doubted}${aborted}; ${(elapsedMs / 1_000).toFixed(1)} s; ${stand}`;
  return [line, ...problems.map((problem) => `  ${problem}`)];
}
