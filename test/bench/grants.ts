/**
 * The rows of grants: decisions per second of a real coordination daemon, the middle one of three windows, beside the middle one of
 * three pairs of bare echoes of equal bytes in between. The bar of unary echoes is on calls made one after the other; the row against 64 at a time
 * only informs.
 */

import type { Measured } from "../bench-report/row.ts";
import { median } from "../bench-report/statistics.ts";
import { startDaemon } from "../e2e/mesh.ts";
import { ECHO_PAIRS, withEchoPair } from "./baseline-echo.ts";
import { ProcessPlayer } from "./process-player.ts";
import { quiet } from "./quiet.ts";
import { benchFolder } from "./swarm.ts";

const WARM_UP_MS = 1_000;
const DURATION_MS = 3_000;
const BASELINE_MS = 1_500;

export const GRANTS_ROWS = ["grants.over_unary", "grants.over_unary_64", "grants.over_batched"];

export async function grantsRows(): Promise<Measured[]> {
  const { folder, accounts, remove } = benchFolder();
  const coordination = await startDaemon({ tier: "coordination", folder, arguments: ["--accounts", accounts] });
  const payload = new URL("./payload-grants.ts", import.meta.url);
  const player = await ProcessPlayer.join(coordination.address);
  const seen = { unary: [] as number[], unary64: [] as number[], batched: [] as number[], grants: [] as number[] };
  try {
    for (let round = 0; round < ECHO_PAIRS; round += 1) {
      await quiet([coordination.pid]);
      await withEchoPair(payload, async (echo) => {
        seen.unary.push(await echo.unaryPerSecond(BASELINE_MS, 1));
        seen.unary64.push(await echo.unaryPerSecond(BASELINE_MS, 64));
        seen.batched.push(await echo.batchedItemsPerSecond(BASELINE_MS));
      });
      seen.grants.push(await player.grantsPerSecond({ warmUpMs: WARM_UP_MS, durationMs: DURATION_MS }));
      await player.closeAll();
    }
  } finally {
    await player.leave();
    await coordination.end();
    remove();
  }
  const row = { unit: "decisions/s", value: median(seen.grants) };
  const [overUnary = "", overUnary64 = "", overBatched = ""] = GRANTS_ROWS;
  return [
    { ...row, name: overUnary, baseline: median(seen.unary), bar: { better: "higher", goal: 20, floor: 10 } },
    { ...row, name: overUnary64, baseline: median(seen.unary64) },
    { ...row, name: overBatched, baseline: median(seen.batched), bar: { better: "higher", goal: 0.4 } },
  ];
}
