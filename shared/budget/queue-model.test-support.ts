/**
 * The slow, obvious queue of one node: lists that are sorted and added up anew whenever somebody may be served. Written from the rules
 * (budgets.md "Conflicts"), without the engine's own code: aged priorities are computed for the present time, claims by walking over those
 * before, the shadow time by playing what runs to its end.
 */
import { assert } from "#std";

export const AMOUNTS = ["credits", "toolCalls", "branches", "memoryBytes"] as const;
/** Longer than anything is told. */
const NEVER_MS = 1e12;

type PerAmount = { [A in (typeof AMOUNTS)[number]]: number };

export interface Job {
  readonly name: string;
  /** 0 is LOW, 4 is EMERGENCY. */
  readonly base: number;
  readonly wanted: Readonly<PerAmount>;
  readonly min: Readonly<PerAmount>;
  /** How long it may run at most; undefined: as long as it likes. */
  readonly durationMs: number | undefined;
}

interface Waiting extends Job {
  readonly arrivedAtMs: number;
  readonly number: number;
}

interface Running {
  readonly name: string;
  readonly took: Readonly<PerAmount>;
  readonly endsAtMs: number | undefined;
}

export type ModelStrategy = "QUEUE_AND_WAIT" | "PRIORITY_BASED";

export class QueueModel {
  nowMs = 0;
  strategy: ModelStrategy;
  stepMs: number;
  readonly free: PerAmount;
  running: Running[] = [];
  waiting: Waiting[] = [];
  /** Who began to run since this was last emptied, in this order. */
  started: string[] = [];
  #count = 0;

  constructor(free: Readonly<PerAmount>, strategy: ModelStrategy, stepMs: number) {
    this.free = { ...free };
    this.strategy = strategy;
    this.stepMs = stepMs;
  }

  /** Its place in the queue, 1 being the first; 0 when it runs at once. */
  arrive(job: Job): number {
    this.#count += 1;
    const newcomer = { ...job, arrivedAtMs: this.nowMs, number: this.#count };
    this.waiting.push(newcomer);
    if (this.#mayStart(newcomer)) {
      this.#start(newcomer);
      this.started.pop();
      return 0;
    }
    return this.inOrder().indexOf(newcomer) + 1;
  }

  /** What the job took comes back, and whoever may is served. */
  end(name: string): void {
    const ended = this.running.find((job) => job.name === name);
    assert(ended !== undefined, `${name} does not run`);
    this.running = this.running.filter((job) => job !== ended);
    for (const amount of AMOUNTS) this.free[amount] += ended.took[amount];
    this.serve();
  }

  leave(name: string): void {
    this.waiting = this.waiting.filter((job) => job.name !== name);
    this.serve();
  }

  /** Time goes on to this moment; what must have ended by then ends, in the order in which it began. */
  passTo(nowMs: number): void {
    this.nowMs = nowMs;
    for (const { name, endsAtMs } of [...this.running]) if ((endsAtMs ?? nowMs + 1) <= nowMs) this.end(name);
  }

  serve(): void {
    for (const job of this.inOrder()) if (this.#mayStart(job)) this.#start(job);
  }

  inOrder(): Waiting[] {
    if (this.strategy === "QUEUE_AND_WAIT") return [...this.waiting].sort((a, b) => a.number - b.number);
    const level = (job: Waiting) =>
      job.base + Math.floor(this.nowMs / this.stepMs) - Math.floor(job.arrivedAtMs / this.stepMs);
    const mustEnd = ({ arrivedAtMs, durationMs = NEVER_MS }: Waiting) => arrivedAtMs + durationMs;
    return [...this.waiting].sort(
      (a, b) => level(b) - level(a) || mustEnd(a) - mustEnd(b) || a.arrivedAtMs - b.arrivedAtMs || a.number - b.number,
    );
  }

  /** When there will be room for the first of those who need this, if what runs ends as it must; undefined: nobody knows. */
  shadowMs(amount: keyof PerAmount): number | undefined {
    const first = this.inOrder().find(({ min }) => min[amount] > 0);
    let free = this.free[amount];
    if (!first || free >= first.min[amount]) return this.nowMs;
    const ends = this.running.flatMap((job) => (job.endsAtMs === undefined ? [] : [{ ...job, atMs: job.endsAtMs }]));
    for (const { took, atMs } of ends.sort((a, b) => a.atMs - b.atMs)) {
      free += took[amount];
      if (free >= first.min[amount]) return atMs;
    }
    return undefined;
  }

  #mayStart(job: Waiting): boolean {
    const order = this.inOrder();
    const before = order.slice(0, order.indexOf(job));
    return AMOUNTS.every((amount) => {
      if (job.min[amount] > this.free[amount]) return false;
      const claimed = before.reduce((sum, { min }) => sum + min[amount], 0);
      if (job.wanted[amount] === 0 || claimed === 0) return true;
      return claimed + job.wanted[amount] <= this.free[amount] || this.#isBackInTime(job, amount);
    });
  }

  #isBackInTime({ durationMs }: Job, amount: keyof PerAmount): boolean {
    if (this.strategy !== "QUEUE_AND_WAIT" || amount === "credits" || amount === "toolCalls") return false;
    const shadowMs = this.shadowMs(amount);
    return durationMs !== undefined && shadowMs !== undefined && this.nowMs + durationMs <= shadowMs;
  }

  #start(job: Waiting): void {
    const took = { ...job.wanted };
    for (const amount of AMOUNTS) took[amount] = Math.min(took[amount], this.free[amount]);
    for (const amount of AMOUNTS) this.free[amount] -= took[amount];
    const endsAtMs = job.durationMs === undefined ? undefined : this.nowMs + job.durationMs;
    this.running.push({ name: job.name, took, endsAtMs });
    this.waiting = this.waiting.filter((other) => other !== job);
    this.started.push(job.name);
  }
}
