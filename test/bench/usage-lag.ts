/**
 * The row of usage: how long after a worker sent its settle the call is seen by someone who watches the swarm at coordination, while a
 * thousand steps make calls. In each run one step is the probe: its calls cost 1 credit, those of all others 10,000, so that what
 * coordination says a run has used tells how many calls of the probe are in it. The time includes the settle itself, its journal, the
 * two usage streams with their journals, and the interval at which WatchUsage looks (the shortest there is, 50 ms).
 */
import { type Connection, connect } from "#rpc";
import { systemClock } from "#tier";
import type { Measured } from "../bench-report/row.ts";
import { quantile } from "../bench-report/statistics.ts";
import { startMesh } from "../e2e/mesh.ts";
import { startHopsBaseline } from "./baseline-hops.ts";
import { attachAll, completeAll } from "./meter-load.ts";
import { MeterPlayer } from "./meter-player.ts";
import { SteadyLoad } from "./steady-load.ts";
import { benchFolder, openSwarm, passed } from "./swarm.ts";
import { Probe, watchRuns } from "./usage-probe.ts";
import { startWorkers } from "./workers.ts";

const RUNS = 40;
const STEPS_PER_RUN = 25;
const CALLS_PER_STEP_AND_SECOND = 2;
const WARM_UP_MS = 2_000;
const DURATION_MS = 10_000;
const HOPS = 1_000;

export const USAGE_ROWS = ["usage.lag_p99", "usage.lag_p50"];

export async function usageRows(): Promise<Measured[]> {
  const { folder, accounts, remove } = benchFolder();
  const mesh = await startMesh({ folder, accounts });
  const coordination = connect({ address: mesh.coordination.address, clock: systemClock });
  const execution = connect({ address: mesh.execution.address, clock: systemClock });
  const hops = await startHopsBaseline();
  try {
    const hopsMs: number[] = [];
    while (hopsMs.length < HOPS) hopsMs.push(await hops.callMs());
    const lagsMs = await usageLagsMs(coordination, execution);
    const [p99 = "", p50 = ""] = USAGE_ROWS;
    const bar = { better: "lower", goal: 250, on: "value" } as const;
    const row = (name: string, share: number) => {
      return { name, unit: "ms", value: quantile(lagsMs, share), baseline: quantile(hopsMs, share) };
    };
    return [{ ...row(p99, 0.99), bar }, row(p50, 0.5)];
  } finally {
    coordination.close();
    execution.close();
    await hops.close();
    await mesh.end();
    remove();
  }
}

async function usageLagsMs(coordination: Connection, execution: Connection): Promise<number[]> {
  const swarm = await openSwarm(coordination);
  const runs = await Promise.all(Array.from({ length: RUNS }, () => startWorkers(swarm, { count: STEPS_PER_RUN })));
  const workers = runs.flatMap((run) => run.workers);
  const player = new MeterPlayer(execution);
  await attachAll(player, workers);
  const probes = new Map(runs.map(({ runId, workers: [probe] }) => [probe?.allocationId ?? "", new Probe(runId)]));
  const ofRun = new Map([...probes.values()].map((probe) => [probe.runId, probe]));
  const load = new SteadyLoad({
    player,
    workers,
    callsPerSecond: workers.length * CALLS_PER_STEP_AND_SECOND,
    costOf: (allocationId) => (probes.has(allocationId) ? 1n : undefined),
    onSettle: (allocationId) => probes.get(allocationId)?.settled(),
  });
  const watch = new AbortController();
  const watching = watchRuns({
    coordination,
    swarmId: swarm.swarmId,
    signal: watch.signal,
    onUsage: (runId, credits) => ofRun.get(runId)?.seen(credits),
  });
  load.start();
  await passed(WARM_UP_MS);
  for (const probe of ofRun.values()) probe.measureFromNow();
  await passed(DURATION_MS);
  await load.stop();
  await Promise.all([...ofRun.values()].map((probe) => probe.allSeen));
  watch.abort();
  await watching;
  await completeAll(player, workers);
  await Promise.all(runs.map(({ ended }) => ended));
  player.close();
  return [...ofRun.values()].flatMap(({ lagsMs }) => lagsMs);
}
