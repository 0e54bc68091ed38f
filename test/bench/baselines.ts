/** The bare things by themselves, as rows that only inform: what this machine does without anything of this project. */
import type { Measured } from "../bench-report/row.ts";
import { median } from "../bench-report/statistics.ts";
import { startCommitBaseline } from "./baseline-commit.ts";
import { ECHO_PAIRS, type EchoBaseline, withEchoPair } from "./baseline-echo.ts";

export const BASELINE_ROWS = [
  "baseline.unary",
  "baseline.unary_64",
  "baseline.stream",
  "baseline.batched",
  "baseline.commit_p50",
  "baseline.commit_p99",
];

const DURATION_MS = 1_500;
const COMMITS_MS = 3_000;

export async function baselineRows(): Promise<Measured[]> {
  const [unary = "", unary64 = "", stream = "", batched = "", commitP50 = "", commitP99 = ""] = BASELINE_ROWS;
  const ways: readonly [string, string, (echo: EchoBaseline) => Promise<number>][] = [
    [unary, "calls/s", (echo) => echo.unaryPerSecond(DURATION_MS, 1)],
    [unary64, "calls/s", (echo) => echo.unaryPerSecond(DURATION_MS, 64)],
    [stream, "items/s", (echo) => echo.streamItemsPerSecond(DURATION_MS)],
    [batched, "items/s", (echo) => echo.batchedItemsPerSecond(DURATION_MS)],
  ];
  const seen: number[][] = ways.map(() => []);
  for (let pair = 0; pair < ECHO_PAIRS; pair += 1) {
    await withEchoPair(new URL("./payload-grants.ts", import.meta.url), async (echo) => {
      for (const [index, [, , rate]] of ways.entries()) seen[index]?.push(await rate(echo));
    });
  }
  const echoes = ways.map(([name, unit], index) => ({ name, unit, value: median(seen[index] ?? []) }));
  const commits = await startCommitBaseline();
  try {
    await commits.take(COMMITS_MS);
    const [p50Ms = Number.NaN, p99Ms = Number.NaN] = await commits.quantiles([0.5, 0.99]);
    return [...echoes, { name: commitP50, unit: "ms", value: p50Ms }, { name: commitP99, unit: "ms", value: p99Ms }];
  } finally {
    await commits.close();
  }
}
