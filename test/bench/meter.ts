/** The rows of Meter: reserves and settles on a real execution daemon below the two others. */
import { type Connection, connect } from "#rpc";
import { systemClock } from "#tier";
import type { Measured } from "../bench-report/row.ts";
import { median, quantile } from "../bench-report/statistics.ts";
import { startMesh } from "../e2e/mesh.ts";
import { bareCommitP50P99 } from "./baseline-commit.ts";
import { startEchoBaseline } from "./baseline-echo.ts";
import { attachAll, PacedLoad, PackedLoad } from "./meter-load.ts";
import { complete, MeterPlayer } from "./meter-player.ts";
import { benchFolder, openSwarm } from "./swarm.ts";
import { startWorkers, type WorkerRun } from "./workers.ts";

const STREAMS = 4;
const ALLOCATIONS = 16;
const BATCH_ITEMS = 100;
const ITEMS_IN_FLIGHT = 3_200;
const RESERVES_IN_FLIGHT = 64;
const ROUNDS = 3;
const WARM_UP_MS = 1_000;
const DURATION_MS = 3_000;
const PACED_MS = 2_000;
const BASELINE_MS = 1_500;

export const METER_ROWS = ["meter.over_batched", "meter.latency_p99"];

export async function meterRows(): Promise<Measured[]> {
  const { folder, accounts, remove } = benchFolder();
  const mesh = await startMesh({ folder, accounts });
  const coordination = connect({ address: mesh.coordination.address, clock: systemClock });
  const execution = connect({ address: mesh.execution.address, clock: systemClock });
  const echo = await startEchoBaseline(new URL("./payload-meter.ts", import.meta.url));
  const seen = {
    echoes: [] as number[],
    operations: [] as number[],
    commitMs: [] as number[],
    reserveMs: [] as number[],
  };
  try {
    const run = await startWorkers(await openSwarm(coordination), { count: ALLOCATIONS });
    const workers = await hireWorkers(execution, run);
    for (let round = 0; round < ROUNDS; round += 1) {
      seen.echoes.push(await echo.batchedItemsPerSecond(BASELINE_MS));
      seen.operations.push(await workers.operationsPerSecond());
      seen.commitMs.push((await bareCommitP50P99({ folder })).p99Ms);
      seen.reserveMs.push(await workers.reserveP99Ms());
    }
    await workers.complete();
    await run.ended;
  } finally {
    coordination.close();
    execution.close();
    await echo.close();
    await mesh.end();
    remove();
  }
  const [overBatched = "", latency = ""] = METER_ROWS;
  const [value, baseline] = [median(seen.operations), median(seen.echoes)];
  const [valueMs, baselineMs] = [median(seen.reserveMs), median(seen.commitMs)];
  return [
    { name: overBatched, unit: "operations/s", value, baseline, bar: { better: "higher", goal: 0.4, floor: 0.2 } },
    { name: latency, unit: "ms", value: valueMs, baseline: baselineMs, bar: { better: "lower", goal: 3 } },
  ];
}

/** Workers on a few streams that share the allocations of the run. */
async function hireWorkers(execution: Connection, { workers }: WorkerRun) {
  const teams = Array.from({ length: STREAMS }, (_, stream) => {
    const own = workers.filter((_worker, index) => index % STREAMS === stream);
    const player = new MeterPlayer(execution);
    const packed = new PackedLoad({
      player,
      workers: own,
      itemsInFlight: ITEMS_IN_FLIGHT / STREAMS,
      batchItems: BATCH_ITEMS,
    });
    const paced = new PacedLoad({ player, workers: own, callsInFlight: RESERVES_IN_FLIGHT / STREAMS });
    return { own, player, packed, paced };
  });
  await Promise.all(teams.map(({ player, own }) => attachAll(player, own)));
  return {
    operationsPerSecond: async () => {
      const time = { warmUpMs: WARM_UP_MS, durationMs: DURATION_MS };
      const rates = await Promise.all(teams.map(({ packed }) => packed.operationsPerSecond(time)));
      return rates.reduce((sum, rate) => sum + rate, 0);
    },
    reserveP99Ms: async () => {
      const times = await Promise.all(teams.map(({ paced }) => paced.reserveTimesMs(PACED_MS)));
      return quantile(times.flat(), 0.99);
    },
    complete: async () => {
      await Promise.all(teams.map(({ player, own }) => player.sendAndWait(own.map(complete))));
      for (const { player } of teams) player.close();
    },
  };
}
