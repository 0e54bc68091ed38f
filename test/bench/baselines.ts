/** The bare things by themselves, as rows that only inform: what this machine does without anything of this project. */
import type { Measured } from "../bench-report/row.ts";
import { bareCommitP50P99 } from "./baseline-commit.ts";
import { startEchoBaseline } from "./baseline-echo.ts";

export const BASELINE_ROWS = [
  "baseline.unary",
  "baseline.unary_64",
  "baseline.stream",
  "baseline.batched",
  "baseline.commit_p50",
  "baseline.commit_p99",
];

const DURATION_MS = 2_000;

export async function baselineRows(): Promise<Measured[]> {
  const [unary = "", unary64 = "", stream = "", batched = "", commitP50 = "", commitP99 = ""] = BASELINE_ROWS;
  const echo = await startEchoBaseline(new URL("./payload-grants.ts", import.meta.url));
  try {
    const { p50Ms, p99Ms } = await bareCommitP50P99();
    return [
      { name: unary, unit: "calls/s", value: await echo.unaryPerSecond(DURATION_MS, 1) },
      { name: unary64, unit: "calls/s", value: await echo.unaryPerSecond(DURATION_MS, 64) },
      { name: stream, unit: "items/s", value: await echo.streamItemsPerSecond(DURATION_MS) },
      { name: batched, unit: "items/s", value: await echo.batchedItemsPerSecond(DURATION_MS) },
      { name: commitP50, unit: "ms", value: p50Ms },
      { name: commitP99, unit: "ms", value: p99Ms },
    ];
  } finally {
    await echo.close();
  }
}
