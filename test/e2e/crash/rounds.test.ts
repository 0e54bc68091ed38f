/**
 * Twenty rounds of real daemons that are killed, stopped and cut off under load; after each the books are exact against the workers' own
 * logs. The seeds are fixed, their lines are printed; `npm run crash -- --seed N --rounds 1` plays one of them again.
 */
import { afterAll, expect, test } from "vitest";
import { killAll, temporaryFolder } from "../mesh.ts";
import type { RoundReport } from "./round.ts";
import { linesOf, playSeries } from "./round-series.ts";

const ROUNDS = 20;
const FIRST_SEED = 2_140;
const LANES = 2;

const { folder, remove } = temporaryFolder();
afterAll(() => {
  killAll();
  remove();
});

test("the books survive kills, stops and cuts", { timeout: 400_000 }, async () => {
  const reports: RoundReport[] = [];
  await playSeries({
    rounds: ROUNDS,
    seed: FIRST_SEED,
    lanes: LANES,
    folder,
    onReport: (report) => {
      reports.push(report);
      process.stdout.write(`${linesOf(report).join("\n")}\n`);
    },
  });
  expect(reports.flatMap(({ seed, problems }) => problems.map((problem) => `seed ${seed}: ${problem}`))).toEqual([]);
  // Rounds in which nothing was done prove nothing.
  expect(reports).toHaveLength(ROUNDS);
  expect(reports.reduce((sum, { settled }) => sum + settled, 0)).toBeGreaterThan(20 * ROUNDS);
  expect(reports.filter(({ doubt }) => doubt > 0n)).not.toEqual([]);
});
