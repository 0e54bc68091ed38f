/** Runs whose steps are metered by the bench itself. */
import { type RunEvent, type WorkerReady, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import type { BenchSwarm } from "./swarm.ts";

/** A run that goes on until its workers say Complete. */
export interface WorkerRun {
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

/** Starts a run with `count` worker steps side by side and resolves when all of them wait for their worker. */
export async function startWorkers(swarm: BenchSwarm, count: number): Promise<WorkerRun> {
  const limits = { maxCredits: 1_000_000_000n };
  const work = { case: "worker", value: { kind: "bench" } } as const;
  const branches = Array.from({ length: count }, (_, index) => ({
    name: `branch-${index}`,
    limits,
    steps: [{ name: "step", limits, work }],
  }));
  const parallel = { case: "parallel", value: { branches } } as const;
  const runLimits = { maxCredits: limits.maxCredits * BigInt(count) };
  const events = swarm.run({
    name: "run",
    limits: runLimits,
    steps: [{ name: "all", limits: runLimits, work: parallel }],
  });
  return follow(events, count);
}

async function follow(events: AsyncIterable<RunEvent>, count: number): Promise<WorkerRun> {
  const workers: WorkerReady[] = [];
  const iterator = events[Symbol.asyncIterator]();
  while (workers.length < count) {
    const { value, done } = await iterator.next();
    if (done === true) throw new Error("the run ended before its workers were asked for");
    if (value.event.case === "workerReady") workers.push(value.event.value);
    else if (value.event.case === "finished") throw new Error(`the run ended: ${value.event.value.error?.message}`);
  }
  return { workers, ended: rest(iterator) };
}

async function rest(iterator: AsyncIterator<RunEvent>): Promise<void> {
  let outcome: WorkOutcome | undefined;
  for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
    if (next.value.event.case === "finished") outcome = next.value.event.value.outcome;
  }
  if (outcome !== WorkOutcome.SUCCEEDED) throw new Error(`the run ended with outcome ${outcome}`);
}
