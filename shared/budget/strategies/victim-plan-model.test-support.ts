/**
 * A tiny node on virtual time that preempts by victim plans: it has slots, its jobs need some of them for some time. It is written apart
 * from the engine, to show what the rules lead to when they are carried out as docs/preemption.md says:
 * - those who wait are served in order of base priority, then of first arrival; only the first of them preempts;
 * - a victim leaves after its own grace; what it leaves is reserved for the claimant, and for nobody else;
 * - a victim waits again with its first arrival; a paused one goes on where it was, a stopped one begins anew;
 * - a claimant starts when all its room is reserved. A claim of higher priority may take what is reserved for one of lower priority, which
 *   then waits again.
 */
import { TimerHeap } from "#std";
import { PRIORITIES, type Priority } from "../policy.ts";
import { NOTHING } from "../resource.ts";
import { some, UNDAMPED } from "./victim-plan.test-support.ts";
import { planVictims } from "./victim-plan.ts";
import type { VictimCandidate, VictimRules } from "./victim-plan-candidate.ts";

export interface JobSpec {
  readonly id: string;
  readonly priority: Priority;
  readonly slots: number;
  readonly workMs: number;
  readonly arrivesAtMs: number;
  /** From being told to leave to being gone. */
  readonly graceMs?: number;
  readonly pausable?: boolean;
}

export interface NodeOptions {
  readonly slots: number;
  readonly rules?: Partial<VictimRules>;
  /** False: what victims leave is free for whoever waits first, as where nothing is reserved. */
  readonly reserves?: boolean;
  /** False: victims wait first in line, whatever their priority. */
  readonly ranks?: boolean;
}

type JobState = "waiting" | "running" | "leaving" | "claiming" | "done";

class Job {
  readonly spec: JobSpec;
  readonly level: number;
  state: JobState = "waiting";
  startedAtMs = 0;
  /** Work that is done and kept. */
  doneMs = 0;
  preemptedAtMs: number | undefined;
  preemptions = 0;
  starts = 0;
  finishedAtMs: number | undefined;
  /** Of one that claims: slots reserved for it, and those of its victims that have not left yet. */
  reserved = 0;
  pledged = 0;
  /** Counts what happens to it, so that an outdated end is known as such. */
  turn = 0;

  constructor(spec: JobSpec) {
    this.spec = spec;
    this.level = PRIORITIES.indexOf(spec.priority);
  }
}

interface Due {
  readonly what: "arrives" | "ends" | "left" | "look";
  readonly job: Job;
  readonly turn: number;
  /** For whom it leaves, and that one's turn then. */
  readonly claim?: { readonly of: Job; readonly turn: number };
}

/** Waiting jobs that are looked at in one turn before it counts as endless. */
const TURN_MAX = 1_000;

export class TinyNode {
  readonly jobs = new Map<string, Job>();
  /** What was decided, one line each: time, what. */
  readonly log: string[] = [];
  /** Called before and after each plan that is carried out. */
  onPlan: (() => void) | undefined;
  nowMs = 0;
  preemptions = 0;
  readonly #options: NodeOptions;
  readonly #rules: VictimRules;
  readonly #due = new TimerHeap<Due>();

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#rules = { ...UNDAMPED, ...options.rules };
  }

  add(spec: JobSpec): void {
    const job = new Job(spec);
    this.#due.push({ atMs: spec.arrivesAtMs, key: { what: "arrives", job, turn: 0 } });
  }

  /** Runs until nothing is due any more, or the time is up. */
  run(untilMs: number): void {
    for (let next = this.#due.popDue(untilMs); next; next = this.#due.popDue(untilMs)) {
      this.nowMs = next.atMs;
      this.#happen(next.key);
      this.#serve();
      if (this.taken > this.#options.slots) throw new Error(`${this.taken} slots are taken at ${this.nowMs}`);
    }
  }

  /** Slots in use, leaving ones included, and reserved. */
  get taken(): number {
    const of = ({ state, spec, reserved }: Job) => (state === "running" || state === "leaving" ? spec.slots : reserved);
    return [...this.jobs.values()].reduce((sum, job) => sum + of(job), 0);
  }

  /** Slots of each priority, the highest first: of those who run and stay, and reserved for claims or pledged to them. */
  get standing(): number[] {
    const of = ({ state, spec, reserved, pledged }: Job) => {
      if (state === "running") return spec.slots;
      return state === "claiming" ? Math.min(spec.slots, reserved + pledged) : 0;
    };
    const at = (level: number) => [...this.jobs.values()].filter((job) => job.level === level);
    return PRIORITIES.map((_, level) => at(level).reduce((sum, job) => sum + of(job), 0)).reverse();
  }

  job(id: string): Job {
    const job = this.jobs.get(id);
    if (!job) throw new Error(`no job ${id}`);
    return job;
  }

  #say(text: string): void {
    this.log.push(`${this.nowMs} ${text}`);
  }

  #happen({ what, job, turn, claim }: Due): void {
    if (what === "arrives") this.jobs.set(job.spec.id, job);
    else if (what === "left") this.#left(job, claim);
    else if (what === "ends" && turn === job.turn) {
      job.state = "done";
      job.finishedAtMs = this.nowMs;
      this.#say(`${job.spec.id} ends`);
    }
  }

  #left(job: Job, claim: Due["claim"]): void {
    job.state = "waiting";
    this.#say(`${job.spec.id} has left`);
    if (claim?.of.turn !== claim?.turn || claim?.of.state !== "claiming") return;
    const { of: claimant } = claim;
    claimant.pledged -= job.spec.slots;
    if (this.#options.reserves === false) return;
    claimant.reserved = Math.min(claimant.spec.slots, claimant.reserved + job.spec.slots);
  }

  /** Claims whose room is there, or will not be; then those who wait, in order, until one does not fit. */
  #serve(): void {
    for (const job of this.jobs.values()) {
      if (job.state !== "claiming") continue;
      if (job.reserved === job.spec.slots) this.#start(job);
      else if (job.pledged === 0 && (this.#options.reserves === false || !this.#preempt(job))) this.#dropClaim(job);
    }
    for (let turns = 0; turns < TURN_MAX; turns += 1) {
      const first = this.#first();
      if (!first) return;
      if (first.spec.slots <= this.#options.slots - this.taken) this.#start(first);
      else if (!this.#preempt(first)) return;
    }
    throw new Error(`endless at ${this.nowMs}`);
  }

  #first(): Job | undefined {
    const { ranks = true } = this.#options;
    const waiting = [...this.jobs.values()].filter(({ state }) => state === "waiting");
    const level = (job: Job) => (ranks || job.preemptions === 0 ? job.level : PRIORITIES.length);
    return waiting.sort((a, b) => level(b) - level(a) || a.spec.arrivesAtMs - b.spec.arrivesAtMs)[0];
  }

  #start(job: Job): void {
    job.state = "running";
    job.reserved = 0;
    job.pledged = 0;
    job.starts += 1;
    job.startedAtMs = this.nowMs;
    job.turn += 1;
    this.#due.push({ atMs: this.nowMs + job.spec.workMs - job.doneMs, key: { what: "ends", job, turn: job.turn } });
    this.#say(`${job.spec.id} starts`);
  }

  #dropClaim(job: Job): void {
    job.state = "waiting";
    job.reserved = 0;
    job.pledged = 0;
    job.turn += 1;
  }

  #candidates(): VictimCandidate[] {
    return [...this.jobs.values()].flatMap((job): VictimCandidate[] => {
      const { id, priority, pausable, slots } = job.spec;
      const own = { id, path: id, priority, percentDone: 0, grantedAtMs: job.startedAtMs, unspent: NOTHING };
      if (job.state === "claiming") return [{ ...own, grantedAtMs: -1e9, unspent: some({ branches: job.reserved }) }];
      if (job.state !== "running") return [];
      const ranMs = job.doneMs + this.nowMs - job.startedAtMs;
      const given = some({ branches: slots });
      const percentDone = Math.floor((100 * ranMs) / job.spec.workMs);
      const ways = pausable ? { byPause: given, byStop: given } : { byStop: given };
      return [{ ...own, ...ways, percentDone, preemptedAtMs: job.preemptedAtMs }];
    });
  }

  /** True when a plan is carried out, or there is room now. */
  #preempt(claimant: Job): boolean {
    const { priority, id, slots } = claimant.spec;
    const free = Math.min(this.#options.slots - this.taken, slots - claimant.reserved);
    const plan = planVictims({
      claimant: { priority, path: id },
      needed: some({ branches: slots - claimant.reserved - free }),
      candidates: this.#candidates(),
      rules: this.#rules,
      nowMs: this.nowMs,
    });
    if (plan.type === "none") {
      if (plan.againAtMs !== undefined) this.#lookAgain(claimant, plan.againAtMs);
      return false;
    }
    this.onPlan?.();
    if (claimant.state !== "claiming") claimant.turn += 1;
    claimant.state = "claiming";
    if (this.#options.reserves !== false) claimant.reserved += free;
    for (const { id: other, takes } of plan.unspent) this.#takeReserved(claimant, this.job(other), takes.branches);
    for (const victim of plan.victims) this.#preemptOne(claimant, this.job(victim.id), victim.mode);
    this.onPlan?.();
    if (claimant.reserved === slots) this.#start(claimant);
    return true;
  }

  #takeReserved(claimant: Job, other: Job, slots: number): void {
    claimant.reserved += slots;
    this.#dropClaim(other);
    this.#say(`${claimant.spec.id} takes over from ${other.spec.id}`);
  }

  #preemptOne(claimant: Job, job: Job, mode: "PAUSE" | "STOP"): void {
    const { id, graceMs = 0 } = job.spec;
    this.#say(`${claimant.spec.id} preempts ${id} (${mode})`);
    job.state = "leaving";
    job.doneMs = mode === "PAUSE" ? job.doneMs + this.nowMs - job.startedAtMs : 0;
    job.preemptedAtMs = this.nowMs;
    job.preemptions += 1;
    job.turn += 1;
    this.preemptions += 1;
    claimant.pledged += job.spec.slots;
    const claim = { of: claimant, turn: claimant.turn };
    this.#due.push({ atMs: this.nowMs + graceMs, key: { what: "left", job, turn: job.turn, claim } });
  }

  #lookAgain(job: Job, atMs: number): void {
    this.#due.push({ atMs, key: { what: "look", job, turn: job.turn } });
  }
}
