/** The rows of Meter: reserves and settles on a real execution daemon below the two others. */
import { type Connection, connect } from "#rpc";
import { systemClock } from "#tier";
import type { Measured } from "../bench-report/row.ts";
import { median } from "../bench-report/statistics.ts";
import { startMesh } from "../e2e/mesh.ts";
import { startCommitBaseline } from "./baseline-commit.ts";
import { ECHO_PAIRS, withEchoPair } from "./baseline-echo.ts";
import { forkServer } from "./forked.ts";
import { startReserveTimes } from "./latency-load.ts";
import { attachAll, completeAll, PackedLoad } from "./meter-load.ts";
import { MeterPlayer } from "./meter-player.ts";
import { quiet } from "./quiet.ts";
import { benchFolder, openSwarm } from "./swarm.ts";
import { startWorkers, type WorkerRun } from "./workers.ts";

const STREAMS = 4;
const ALLOCATIONS = 16;
const BATCH_ITEMS = 100;
const ITEMS_IN_FLIGHT = 3_200;
const RESERVES_IN_FLIGHT = 64;
const WARM_UP_MS = 1_000;
const DURATION_MS = 3_000;
const BASELINE_MS = 1_500;
/** Reserves and bare commits by turns: what the machine does meanwhile falls on both. */
const LATENCY_ROUNDS = 8;
const RESERVES_MS = 1_000;
const COMMITS_MS = 600;

/**
 * From the third on they only inform: what a reserve takes when nothing comes in between, and what the same calls take of a bare server that
 * commits once for all it has read.
 */
export const METER_ROWS = [
  "meter.over_batched",
  "meter.latency_p99",
  "meter.latency_p50",
  "meter.latency_bare_p99",
  "meter.latency_bare_p50",
];

export async function meterRows(): Promise<Measured[]> {
  const { folder, accounts, remove } = benchFolder();
  const mesh = await startMesh({ folder, accounts });
  const coordination = connect({ address: mesh.coordination.address, clock: systemClock });
  const execution = connect({ address: mesh.execution.address, clock: systemClock });
  try {
    const run = await startWorkers(await openSwarm(coordination), { count: ALLOCATIONS });
    const daemons = [mesh.coordination, mesh.process, mesh.execution].map(({ pid }) => pid);
    const overBatched = await overBatchedRow(execution, run, daemons);
    const latency = await latencyRows(mesh.execution.address, run, { folder, daemons });
    const player = new MeterPlayer(execution);
    await attachAll(player, run.workers);
    await completeAll(player, run.workers);
    player.close();
    await run.ended;
    return [overBatched, ...latency];
  } finally {
    coordination.close();
    execution.close();
    await mesh.end();
    remove();
  }
}

async function overBatchedRow(execution: Connection, run: WorkerRun, daemons: readonly number[]): Promise<Measured> {
  const payload = new URL("./payload-meter.ts", import.meta.url);
  const workers = await hireWorkers(execution, run);
  const echoes: number[] = [];
  const operations: number[] = [];
  for (let round = 0; round < ECHO_PAIRS; round += 1) {
    await quiet(daemons);
    echoes.push(await withEchoPair(payload, (echo) => echo.batchedItemsPerSecond(BASELINE_MS)));
    operations.push(await workers.operationsPerSecond());
  }
  workers.leave();
  const [value, baseline] = [median(operations), median(echoes)];
  const [name = ""] = METER_ROWS;
  return { name, unit: "operations/s", value, baseline, bar: { better: "higher", goal: 0.4, floor: 0.2 } };
}

interface LatencyPlace {
  /** Of the journals. */
  readonly folder: string;
  readonly daemons: readonly number[];
}

async function latencyRows(
  address: string,
  { workers }: WorkerRun,
  { folder, daemons }: LatencyPlace,
): Promise<Measured[]> {
  const load = { workers, streams: STREAMS, callsInFlight: RESERVES_IN_FLIGHT };
  const bare = await forkServer("./baseline-meter-server.ts", [folder]);
  const reserves = await startReserveTimes({ ...load, address });
  const bareReserves = await startReserveTimes({ ...load, address: `127.0.0.1:${bare.told.port}` });
  const commits = await startCommitBaseline(folder);
  for (const each of [reserves, bareReserves]) await each.take(RESERVES_MS, { warmUp: true });
  for (let round = 0; round < LATENCY_ROUNDS; round += 1) {
    await reserves.take(RESERVES_MS);
    await quiet(daemons);
    await commits.take(COMMITS_MS);
    await bareReserves.take(RESERVES_MS);
  }
  const shares = [0.99, 0.5];
  const [p99 = Number.NaN, p50 = Number.NaN] = await reserves.quantiles(shares);
  const [floorP99 = Number.NaN, floorP50 = Number.NaN] = await bareReserves.quantiles(shares);
  const [commitP99 = Number.NaN, commitP50 = Number.NaN] = await commits.quantiles(shares);
  for (const each of [reserves, bareReserves, commits]) await each.close();
  await bare.stop();
  const [, nameP99 = "", nameP50 = "", floorNameP99 = "", floorNameP50 = ""] = METER_ROWS;
  const row = (name: string, value: number, baseline: number) => ({ name, unit: "ms", value, baseline });
  return [
    { ...row(nameP99, p99, commitP99), bar: { better: "lower", goal: 3 } },
    row(nameP50, p50, commitP50),
    row(floorNameP99, floorP99, commitP99),
    row(floorNameP50, floorP50, commitP50),
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
    return { own, player, packed };
  });
  await Promise.all(teams.map(({ player, own }) => attachAll(player, own)));
  return {
    operationsPerSecond: async () => {
      const time = { warmUpMs: WARM_UP_MS, durationMs: DURATION_MS };
      const rates = await Promise.all(teams.map(({ packed }) => packed.operationsPerSecond(time)));
      return rates.reduce((sum, rate) => sum + rate, 0);
    },
    leave: () => {
      for (const { player } of teams) player.close();
    },
  };
}
