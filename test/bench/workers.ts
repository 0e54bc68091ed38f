/** Runs whose steps are metered by the bench itself. */
import { type RunEvent, type WorkerReady, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import type { BenchSwarm } from "./swarm.ts";

/** A run that goes on until its workers say Complete. */
export interface WorkerRun {
  /** The run's allocation. */
  readonly runId: string;
  readonly workers: readonly WorkerReady[];
  /** Resolves when the run has ended well; rejects otherwise. */
  readonly ended: Promise<void>;
}

/** Starts a run of one worker step and resolves when it waits for its worker. */
export function startWorker(swarm: BenchSwarm): Promise<WorkerRun> {
  const limits = { maxCredits: 1_000_000n };
  const work = { case: "worker", value: { kind: "bench" } } as const;
  return follow(swarm.run({ name: "run", limits, steps: [{ name: "step", limits, work }] }), 1);
}

export interface WorkersOptions {
  /** Worker steps side by side. */
  readonly count: number;
  /** What each of them may spend. Default 1,000,000,000. */
  readonly creditsEach?: bigint;
  /** What the run has beyond that, for itself. Default none. */
  readonly spareCredits?: bigint;
}

/** Starts a run of worker steps side by side and resolves when all of them wait for their worker. */
export async function startWorkers(
  swarm: BenchSwarm,
  { count, creditsEach = 1_000_000_000n, spareCredits = 0n }: WorkersOptions,
): Promise<WorkerRun> {
  const limits = { maxCredits: creditsEach };
  const work = { case: "worker", value: { kind: "bench" } } as const;
  const branches = Array.from({ length: count }, (_, index) => ({
    name: `branch-${index}`,
    limits,
    steps: [{ name: "step", limits, work }],
  }));
  const parallel = { case: "parallel", value: { branches } } as const;
  const all = { maxCredits: creditsEach * BigInt(count) };
  const runLimits = { maxCredits: all.maxCredits + spareCredits };
  return follow(
    swarm.run({ name: "run", limits: runLimits, steps: [{ name: "all", limits: all, work: parallel }] }),
    count,
  );
}

async function follow(events: AsyncIterable<RunEvent>, count: number): Promise<WorkerRun> {
  const workers: WorkerReady[] = [];
  let runId = "";
  const iterator = events[Symbol.asyncIterator]();
  while (workers.length < count) {
    const { value, done } = await iterator.next();
    if (done === true) throw new Error("the run ended before its workers were asked for");
    if (value.event.case === "workerReady") workers.push(value.event.value);
    else if (value.event.case === "started") runId = value.event.value.run?.allocationId ?? "";
    else if (value.event.case === "finished") throw new Error(`the run ended: ${value.event.value.error?.message}`);
  }
  return { runId, workers, ended: rest(iterator) };
}

async function rest(iterator: AsyncIterator<RunEvent>): Promise<void> {
  let outcome: WorkOutcome | undefined;
  for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
    if (next.value.event.case === "finished") outcome = next.value.event.value.outcome;
  }
  if (outcome !== WorkOutcome.SUCCEEDED) throw new Error(`the run ended with outcome ${outcome}`);
}
