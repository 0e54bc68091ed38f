/**
 * The rows of preemption: SHRINK of a run below which ten thousand metered steps make calls, through the three daemons. First, by small
 * amounts, budget that the run itself has not handed out; then what a hundred of the steps have, again and again; at last half of all
 * that is left. Each is timed from the call of PreemptRun until what was free is back; what is under way in calls or not reported yet
 * stays pending, and nobody waits for it here.
 */
import { type Connection, connect } from "#rpc";
import { systemClock } from "#tier";
import type { Measured } from "../bench-report/row.ts";
import { quantile } from "../bench-report/statistics.ts";
import { startMesh } from "../e2e/mesh.ts";
import { startHopsBaseline } from "./baseline-hops.ts";
import { forkProcess, SHORT_PAUSES } from "./forked.ts";
import { attachAll } from "./meter-load.ts";
import { MeterPlayer } from "./meter-player.ts";
import type { ShrinkAsked, ShrinkOrder, ShrinkTimes } from "./shrink-probe.ts";
import { SteadyLoad } from "./steady-load.ts";
import { benchFolder, openSwarm, passed } from "./swarm.ts";
import { startWorkers } from "./workers.ts";

/** With the step that holds them, as many as one routine may have. */
const STEPS = 9_999;
const CREDITS_EACH = 1_000_000n;
const CALLS_PER_SECOND = 2_000;
const WARM_UP_MS = 3_000;
/** Before those that count: daemons that never shrank a run have everything of it still to compile. */
const WARM_UP_SHRINKS = 20;
const FIRST_SHRINKS = 200;
/** Each of them takes about a hundred steps all they have. */
const SHRINKS = 40;
const SHRINK_CREDITS = 100n * CREDITS_EACH;
const QUIET_MS = 1_000;
const WAIT_MS = 30_000;
const HOPS = 1_000;

export const PREEMPT_ROWS = ["preempt.p99", "preempt.first", "preempt.first_of_steps", "preempt.half"];

interface Measurements {
  readonly ofRun: readonly ShrinkTimes[];
  readonly ofSteps: readonly ShrinkTimes[];
  readonly half: ShrinkTimes;
}

export async function preemptRows(): Promise<Measured[]> {
  const { folder, accounts, remove } = benchFolder();
  const mesh = await startMesh({ folder, accounts });
  const coordination = connect({ address: mesh.coordination.address, clock: systemClock });
  const execution = connect({ address: mesh.execution.address, clock: systemClock });
  const hops = await startHopsBaseline();
  const hopsMs: number[] = [];
  try {
    while (hopsMs.length < HOPS) hopsMs.push(await hops.callMs());
    return rowsOf(
      await measure({ coordination, execution, address: mesh.coordination.address }),
      quantile(hopsMs, 0.99),
    );
  } finally {
    coordination.close();
    execution.close();
    await hops.close();
    // Ten thousand steps that still run: an orderly end of them is not what is measured here.
    await Promise.all([mesh.execution, mesh.process, mesh.coordination].map((daemon) => daemon.end("SIGKILL")));
    remove();
  }
}

function rowsOf({ ofRun, ofSteps, half }: Measurements, baseline: number): Measured[] {
  const [p99 = "", first = "", firstOfSteps = "", halfName = ""] = PREEMPT_ROWS;
  const row = (name: string, value: number) => ({ name, unit: "ms", value, baseline });
  const lastMs = ofSteps.map((times) => times.lastMs);
  const bar = (goal: number) => ({ better: "lower", goal, on: "value" }) as const;
  return [
    { ...row(p99, quantile(lastMs, 0.99)), bar: bar(250) },
    {
      ...row(
        first,
        quantile(
          ofRun.map(({ firstMs }) => firstMs),
          0.99,
        ),
      ),
      bar: bar(10),
    },
    row(
      firstOfSteps,
      quantile(
        ofSteps.map(({ firstMs }) => firstMs),
        0.99,
      ),
    ),
    row(halfName, half.lastMs),
  ];
}

interface Tiers {
  readonly coordination: Connection;
  readonly execution: Connection;
  /** Of coordination. */
  readonly address: string;
}

async function measure({ coordination, execution, address }: Tiers): Promise<Measurements> {
  const swarm = await openSwarm(coordination);
  const run = await startWorkers(swarm, {
    count: STEPS,
    creditsEach: CREDITS_EACH,
    spareCredits: BigInt(WARM_UP_SHRINKS + FIRST_SHRINKS),
  });
  // Nobody asks how it ends: its daemons are killed.
  run.ended.catch(() => undefined);
  const player = new MeterPlayer(execution, { takesRefusals: true });
  await attachAll(player, run.workers);
  const load = new SteadyLoad({ player, workers: run.workers, callsPerSecond: CALLS_PER_SECOND });
  const order: ShrinkOrder = { address, runId: run.runId, quietMs: QUIET_MS, waitMs: WAIT_MS };
  const options = { args: [JSON.stringify(order)], nodeArguments: SHORT_PAUSES };
  const probe = await forkProcess<object, ShrinkAsked, ShrinkTimes>("./shrink-probe.ts", options);
  load.start();
  try {
    await passed(WARM_UP_MS);
    return await shrinkAll((credits) => probe.ask({ credits: Number(credits) }));
  } finally {
    await probe.stop();
    load.halt();
    player.close();
  }
}

async function shrinkAll(shrink: (credits: bigint) => Promise<ShrinkTimes>): Promise<Measurements> {
  await inTurn(WARM_UP_SHRINKS, () => shrink(1n));
  const ofRun = await inTurn(FIRST_SHRINKS, () => shrink(1n));
  const ofSteps = await inTurn(SHRINKS, () => shrink(SHRINK_CREDITS));
  const left = BigInt(STEPS) * CREDITS_EACH - BigInt(SHRINKS) * SHRINK_CREDITS;
  return { ofRun, ofSteps, half: await shrink(left / 2n) };
}

async function inTurn<T>(count: number, measureOne: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  while (results.length < count) results.push(await measureOne());
  return results;
}
