/**
 * The rows of preemption: SHRINK of a run below which ten thousand metered steps make calls, through the three daemons. First, by small
 * amounts, budget that the run itself has not handed out; then what a hundred of the steps have, again and again; at last half of all
 * that is left. Each is timed from the call of PreemptRun until what was free is back; what is under way in calls or not reported yet
 * stays pending, and nobody waits for it here.
 */
import { CoordinationService } from "#gen/bursar/v1/coordination_service_pb.js";
import { type Connection, connect } from "#rpc";
import { systemClock, systemIds } from "#tier";
import type { Measured } from "../bench-report/row.ts";
import { quantile } from "../bench-report/statistics.ts";
import { startMesh } from "../e2e/mesh.ts";
import { startHopsBaseline } from "./baseline-hops.ts";
import { attachAll } from "./meter-load.ts";
import { MeterPlayer } from "./meter-player.ts";
import { SteadyLoad } from "./steady-load.ts";
import { benchFolder, openSwarm, passed } from "./swarm.ts";
import { startWorkers } from "./workers.ts";

/** With the step that holds them, as many as one routine may have. */
const STEPS = 9_999;
const CREDITS_EACH = 1_000_000n;
const CALLS_PER_SECOND = 2_000;
const WARM_UP_MS = 3_000;
const FIRST_SHRINKS = 200;
/** Each of them takes about a hundred steps all they have. */
const SHRINKS = 40;
const SHRINK_CREDITS = 100n * CREDITS_EACH;
/** Once nothing more has come for so long, what was free is back. */
const QUIET_MS = 1_000;
const WAIT_MS = 30_000;
const HOPS = 1_000;

export const PREEMPT_ROWS = ["preempt.p99", "preempt.first", "preempt.first_of_steps", "preempt.half"];

/** Milliseconds since PreemptRun was called. */
interface ShrinkTimes {
  /** Until the first budget was back. */
  readonly firstMs: number;
  /** Until the last of what was free was back. */
  readonly lastMs: number;
}

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
    return rowsOf(await measure(coordination, execution), quantile(hopsMs, 0.99));
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

async function measure(coordination: Connection, execution: Connection): Promise<Measurements> {
  const swarm = await openSwarm(coordination);
  const run = await startWorkers(swarm, {
    count: STEPS,
    creditsEach: CREDITS_EACH,
    spareCredits: BigInt(FIRST_SHRINKS),
  });
  // Nobody asks how it ends: its daemons are killed.
  run.ended.catch(() => undefined);
  const player = new MeterPlayer(execution, { takesRefusals: true });
  await attachAll(player, run.workers);
  const load = new SteadyLoad({ player, workers: run.workers, callsPerSecond: CALLS_PER_SECOND });
  load.start();
  try {
    await passed(WARM_UP_MS);
    return await shrinkAll((credits) => shrinkTimes(coordination, run.runId, credits));
  } finally {
    load.halt();
    player.close();
  }
}

async function shrinkAll(shrink: (credits: bigint) => Promise<ShrinkTimes>): Promise<Measurements> {
  const ofRun = await inTurn(FIRST_SHRINKS, () => shrink(1n));
  const ofSteps = await inTurn(SHRINKS, () => shrink(SHRINK_CREDITS));
  const left = BigInt(STEPS) * CREDITS_EACH - BigInt(SHRINKS) * SHRINK_CREDITS;
  return { ofRun, ofSteps, half: await shrink(left / 2n) };
}

async function shrinkTimes(coordination: Connection, runId: string, credits: bigint): Promise<ShrinkTimes> {
  const request = { preemptionId: systemIds.newId(), runId, amounts: { credits }, reason: "bench", waitMs: WAIT_MS };
  const quiet = new AbortController();
  let cancel: (() => void) | undefined;
  const startMs = performance.now();
  let back = 0n;
  let times: ShrinkTimes | undefined;
  const answers = coordination.client(CoordinationService).preemptRun(request, { signal: quiet.signal });
  try {
    for await (const { progress } of answers) {
      const reclaimed = progress?.reclaimed?.credits ?? 0n;
      if (reclaimed <= back) continue;
      back = reclaimed;
      const nowMs = performance.now() - startMs;
      times = { firstMs: times?.firstMs ?? nowMs, lastMs: nowMs };
      cancel?.();
      cancel = systemClock.after(QUIET_MS, () => quiet.abort());
    }
  } catch (error) {
    if (!quiet.signal.aborted) throw error;
  } finally {
    cancel?.();
  }
  if (times === undefined || back < (credits * 9n) / 10n) throw new Error(`a shrink of ${credits} brought ${back}`);
  return times;
}

async function inTurn<T>(count: number, measureOne: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  while (results.length < count) results.push(await measureOne());
  return results;
}
