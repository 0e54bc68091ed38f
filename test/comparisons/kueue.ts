/**
 * Kueue's baseline work in the engine, on virtual time. A cohort is an account, a unit a byte of memory. Its queues borrow everything of each
 * other, so that all their jobs compete at the account. A job is a branch that is granted its units and has one call in flight that uses them
 * all: what is granted and not used would be taken back without a stop. One that is stopped ends its call at once, as Kueue's do, and is asked
 * for again as the next attempt of the one that was stopped.
 */
import { amount, type Message, type OutcomeOf, type Policy, type StrategyName } from "#budget";
import { assert, LIMITS, TimerHeap } from "#std";
import { amounts, Engine } from "./engine.ts";
import { classResults, type KueueResult } from "./kueue-result.ts";
import { type Arrival, arrivals, KUEUE } from "./kueue-shape.ts";

/** Rules as near to Kueue's as they come: no work is protected, and whoever is stopped is gone at once. */
export const AT_ONCE = { protectMs: 0, graceMs: 0 } as const;
/** And even work that was stopped a moment ago is stopped again, as Kueue does. */
export const UNDAMPED = { ...AT_ONCE, coolDownMs: 0 } as const;

export interface KueueOptions {
  /** Default PREEMPTION_ALLOWED. */
  readonly strategy?: StrategyName;
  readonly preemption?: Policy["preemption"];
  /** Default all 5; they do not know of each other. */
  readonly cohorts?: number;
}

interface Job extends Arrival {
  readonly id: string;
  attempt: number;
  /** Milliseconds; undefined before it runs for the first time. */
  firstStartMs: number | undefined;
  lastStartMs: number;
  running: boolean;
  done: boolean;
}

type Due =
  | { readonly type: "arrives"; readonly job: Job }
  | { readonly type: "ends"; readonly job: Job; readonly attempt: number };

export function playKueue(options: KueueOptions = {}): KueueResult {
  return new KueuePlay(options).play();
}

class KueuePlay {
  readonly #engine = new Engine();
  readonly #agenda = new TimerHeap<Due>();
  readonly #jobs = new Map<string, Job>();
  readonly #byAllocation = new Map<string, Job>();
  /** Counted here and not in the engine's books, so that a grant too many is seen. */
  readonly #inUse: number[] = Array.from({ length: KUEUE.cohorts }, () => 0);
  readonly #cohorts: number;
  #inUseMost = 0;
  #vainMs = 0;
  readonly #preemptions = { small: 0, medium: 0, large: 0 };

  constructor({ strategy = "PREEMPTION_ALLOWED", preemption, cohorts = KUEUE.cohorts }: KueueOptions) {
    this.#cohorts = cohorts;
    const policy: Policy = { strategy, queueLengthMax: 10_000, ...(preemption === undefined ? {} : { preemption }) };
    for (let cohort = 0; cohort < cohorts; cohort += 1) {
      const limits = { memoryBytes: amount(KUEUE.unitsPerCohort) };
      this.#engine.run({ type: "open_root", allocationId: accountOf(cohort), name: accountOf(cohort), limits, policy });
    }
    for (const arrival of arrivals()) {
      if (arrival.cohort >= cohorts) continue;
      const id = `${arrival.cohort}-${arrival.queue}-${arrival.of.name}-${arrival.number}`;
      const job = { ...arrival, id, attempt: 0, firstStartMs: undefined, lastStartMs: 0, running: false, done: false };
      this.#jobs.set(id, job);
      this.#agenda.push({ atMs: arrival.atMs, key: { type: "arrives", job } });
    }
  }

  play(): KueueResult {
    for (;;) {
      const next = this.#agenda.peek();
      if (!next) break;
      const dueMs = this.#engine.dueMs;
      if (dueMs !== undefined && dueMs < next.atMs) this.#tick(dueMs);
      else this.#step(next.atMs);
    }
    return this.#result();
  }

  #tick(atMs: number): void {
    this.#engine.nowMs = Math.max(atMs, this.#engine.nowMs);
    this.#hear(this.#engine.run({ type: "tick" }).messages);
  }

  #step(atMs: number): void {
    const due = this.#agenda.popDue(atMs);
    assert(due !== undefined, "what was first is due");
    this.#engine.nowMs = Math.max(atMs, this.#engine.nowMs);
    const { key } = due;
    if (key.type === "arrives") this.#ask(key.job);
    else if (key.job.running && key.job.attempt === key.attempt) this.#end(key.job);
  }

  #ask(job: Job): void {
    const { of, cohort } = job;
    const before = allocationOf(job);
    job.attempt += 1;
    const allocationId = allocationOf(job);
    this.#byAllocation.set(allocationId, job);
    const { outcome, messages } = this.#engine.run({
      type: "grant",
      wish: {
        type: "open",
        caller: `queue-${job.queue}`,
        requestId: allocationId,
        allocationId,
        token: undefined,
        parentId: accountOf(cohort),
        name: job.id,
        kind: "branch",
        limits: { memoryBytes: amount(of.units) },
        min: amounts({}),
        priority: of.priority,
        weight: 1,
        policy: {},
        pooled: [],
        byHolder: false,
        holder: undefined,
        leaseTtlMs: 0,
        waitMs: LIMITS.queueWaitMsMax,
        strategy: undefined,
        ...(job.attempt > 1 ? { attemptOf: before } : {}),
      },
    });
    this.#hear(messages);
    if (outcome.type === "opened") this.#start(outcome);
    else assert(outcome.type === "queued", `${job.id} neither runs nor waits: ${JSON.stringify(outcome)}`);
  }

  #end(job: Job): void {
    job.done = true;
    const allocationId = allocationOf(job);
    this.#leave(job);
    this.#hear(this.#engine.run({ type: "close", allocationId, reason: "finished" }).messages);
  }

  /** Its call ends. What comes free by it is the engine's to give to others, who start in the same moment. */
  #leave(job: Job): void {
    const allocationId = allocationOf(job);
    job.running = false;
    this.#inUse[job.cohort] = (this.#inUse[job.cohort] ?? 0) - job.of.units;
    const cost = { credits: amount(0), toolCalls: amount(0), final: true } as const;
    const facts = { networkBytes: 0, diskBytes: 0, gpuMs: 0, memoryPeakBytes: 0 } as const;
    const { outcome, messages } = this.#engine.run({
      type: "settle",
      allocationId,
      holdId: allocationId,
      ...cost,
      ...facts,
    });
    assert(outcome.type === "settled", `the call of ${allocationId} ends`);
    this.#hear(messages);
  }

  #hear(messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.type === "closing" && message.stop) this.#stop(message.allocationId);
      if (message.type === "decided" && message.outcome.type === "opened") this.#start(message.outcome);
    }
  }

  #stop(allocationId: string): void {
    const job = this.#byAllocation.get(allocationId);
    assert(job?.running === true, `${allocationId} is stopped while it runs`);
    this.#preemptions[job.of.name] += 1;
    this.#vainMs += (this.#engine.nowMs - job.lastStartMs) * job.of.units;
    this.#leave(job);
    this.#ask(job);
  }

  #start({ allocationId }: OutcomeOf<"opened">): void {
    const job = this.#byAllocation.get(allocationId);
    assert(job !== undefined && !job.running && !job.done, `${allocationId} is granted once`);
    const { nowMs } = this.#engine;
    job.running = true;
    job.firstStartMs ??= nowMs;
    job.lastStartMs = nowMs;
    const inUse = (this.#inUse[job.cohort] ?? 0) + job.of.units;
    this.#inUse[job.cohort] = inUse;
    this.#inUseMost = Math.max(this.#inUseMost, inUse);
    assert(inUse <= KUEUE.unitsPerCohort, `cohort ${job.cohort} has ${inUse} units in use`);
    const all = amounts({ memoryBytes: job.of.units });
    const call = { requestId: allocationId, holdId: allocationId, what: "code", name: job.of.name } as const;
    const wanted = { wanted: all, min: all, ttlMs: LIMITS.holdTtlMs };
    const { outcome } = this.#engine.run({ type: "reserve", allocationId, ...call, ...wanted });
    assert(outcome.type === "held", `${allocationId} has what it was granted`);
    this.#agenda.push({ atMs: nowMs + job.of.runsMs, key: { type: "ends", job, attempt: job.attempt } });
  }

  #result(): KueueResult {
    const jobs = [...this.#jobs.values()];
    assert(
      jobs.every(({ done }) => done),
      "every job has run to its end",
    );
    const totalMs = this.#engine.nowMs;
    const all = totalMs * KUEUE.unitsPerCohort * this.#cohorts;
    const done = jobs.reduce((sum, { of }) => sum + of.units * of.runsMs, 0);
    return {
      totalMs,
      usagePercent: (100 * done) / all,
      busyPercent: (100 * (done + this.#vainMs)) / all,
      unitsInUseMost: this.#inUseMost,
      decisions: this.#engine.decisions,
      classes: classResults(jobs, this.#preemptions),
    };
  }
}

function accountOf(cohort: number): string {
  return `cohort-${cohort}`;
}

function allocationOf({ id, attempt }: Job): string {
  return `${id}.${attempt}`;
}
