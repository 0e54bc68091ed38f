/**
 * FIRST_COME_FIRST_SERVED beside a slow model of it, written from the rules (budgets.md "Conflicts") without the engine's code: one list of what
 * runs and one of those who wait, both scanned from scratch for every question. Requests of the strategy never wait; those that chose to wait came
 * before whoever comes later, and nobody takes of what they need, not even for a while.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Message } from "./outcome.ts";
import { conflictOf, type LimitNumbers, Scenario } from "./scenario.test-support.ts";

const SEED = 20_261_124;
const AMOUNTS = ["credits", "toolCalls", "branches", "memoryBytes"] as const;
type PerAmount = Readonly<Record<(typeof AMOUNTS)[number], number>>;
const ROOM: PerAmount = { credits: 60, toolCalls: 12, branches: 8, memoryBytes: 40 };

interface Job {
  readonly name: string;
  readonly wanted: PerAmount;
  readonly min: PerAmount;
  readonly waits: boolean;
}

class Model {
  running: { readonly name: string; readonly took: PerAmount }[] = [];
  waiting: Job[] = [];

  free(of: keyof PerAmount): number {
    return this.running.reduce((left, { took }) => left - took[of], ROOM[of]);
  }

  /** Of what it cannot have enough now, be it that those before it need it. */
  lacking(job: Job, before: readonly Job[]): string[] {
    return AMOUNTS.filter((of) => {
      const needed = before.reduce((sum, { min }) => sum + min[of], 0);
      const isClaimed = needed > 0 && job.wanted[of] > 0 && needed + job.wanted[of] > this.free(of);
      return job.min[of] > this.free(of) || isClaimed;
    });
  }

  start({ name, wanted }: Job): void {
    const least = (of: keyof PerAmount) => Math.min(wanted[of], this.free(of));
    const [credits, toolCalls] = [least("credits"), least("toolCalls")];
    this.running.push({ name, took: { ...wanted, credits, toolCalls } });
  }

  /** Who begins, in this order, now that something has changed. */
  serve(): string[] {
    const next = this.waiting.find((job, at) => this.lacking(job, this.waiting.slice(0, at)).length === 0);
    if (!next) return [];
    this.start(next);
    this.waiting = this.waiting.filter((job) => job !== next);
    return [next.name, ...this.serve()];
  }
}

interface Instruction {
  readonly op: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

/** The engine and the model, given the same. */
class Pair {
  readonly s = new Scenario();
  readonly model = new Model();
  readonly account = this.s.account(ROOM, { strategy: "FIRST_COME_FIRST_SERVED", requestMayChoose: true });
  readonly #ids = new Map<string, string>();
  denied: { readonly job: Job; readonly asked: ReturnType<Scenario["openWish"]> }[] = [];
  readonly seen = { granted: 0, denied: 0, queued: 0, served: 0 };

  arrive({ a, b, c }: Instruction): void {
    const own = {
      credits: a % 40,
      toolCalls: b % 3 === 0 ? b % 9 : 0,
      branches: c % 5,
      memoryBytes: c % 2 ? c % 29 : 0,
    };
    const least = { credits: a % 4 === 0 ? own.credits >> 1 : own.credits, toolCalls: own.toolCalls };
    const limits: LimitNumbers = { ...own, ...(b % 2 === 0 && { durationMs: 1_000 + b }) };
    const waits = c % 3 === 0;
    const choice = waits ? ({ strategy: "QUEUE_AND_WAIT", waitMs: 600_000 } as const) : { waitMs: b % 5 };
    const asked = this.s.openWish(this.account, { limits, min: least, ...choice });
    // A step takes a branch slot itself.
    const wanted = { ...own, branches: own.branches + 1 };
    this.ask({ name: asked.requestId, wanted, min: { ...wanted, ...least }, waits }, asked);
  }

  ask(job: Job, asked: ReturnType<Scenario["openWish"]>): void {
    const { model, seen } = this;
    const lacking = model.lacking(job, model.waiting);
    const outcome = this.s.grant(asked);
    this.#ids.set(job.name, asked.allocationId);
    if (lacking.length === 0) {
      expect(outcome.type, job.name).toBe("opened");
      model.start(job);
      seen.granted += 1;
      return;
    }
    expect(outcome.type, job.name).toBe(job.waits ? "queued" : "refused");
    const { resource, position } = conflictOf(outcome);
    expect(lacking, job.name).toContain(resource);
    if (job.waits) model.waiting.push(job);
    else this.denied.push({ job, asked });
    expect(position, job.name).toBe(job.waits ? model.waiting.length : 0);
    seen[job.waits ? "queued" : "denied"] += 1;
  }

  /** The same request once more: what was denied is forgotten, and decided as it stands now. */
  askAgain(n: number): void {
    const [again] = this.denied.splice(n % Math.max(1, this.denied.length), 1);
    if (again) this.ask(again.job, again.asked);
  }

  close(n: number): void {
    const ended = this.model.running[n % Math.max(1, this.model.running.length)];
    if (!ended) return;
    this.model.running = this.model.running.filter((job) => job !== ended);
    this.s.close(this.#ids.get(ended.name) ?? "");
    this.expectServed();
  }

  /** Whoever waits no longer is in nobody's way; what was denied waits nowhere. */
  cancel(n: number): void {
    const all = [...this.model.waiting, ...this.denied.map(({ job }) => job)];
    const job = all[n % Math.max(1, all.length)];
    if (!job) return;
    this.model.waiting = this.model.waiting.filter((other) => other !== job);
    this.s.ask({ type: "cancel_request", caller: "client", requestId: job.name });
    this.expectServed();
  }

  expectServed(): void {
    const served = this.model.serve();
    this.seen.served += served.length;
    expect(opened(this.s.last.messages)).toEqual(served);
  }

  expectSame(): void {
    const node = this.s.node(this.account);
    expect([...node.waiters].map(({ request }) => request.requestId)).toEqual(
      this.model.waiting.map(({ name }) => name),
    );
    const { credits, toolCalls } = node.books;
    const { branches, memoryBytes } = node.held;
    const free = {
      credits: credits.available,
      toolCalls: toolCalls.available,
      branches: branches.limit - branches.inUse,
      memoryBytes: memoryBytes.limit - memoryBytes.inUse,
    };
    expect(free).toEqual(Object.fromEntries(AMOUNTS.map((of) => [of, this.model.free(of)])));
  }
}

function opened(messages: readonly Message[]): string[] {
  return messages.flatMap((message) =>
    message.type === "decided" && message.outcome.type === "opened" ? [message.requestId] : [],
  );
}

function follow(pair: Pair, one: Instruction): void {
  if (one.op < 50) pair.arrive(one);
  else if (one.op < 60) pair.askAgain(one.a);
  else if (one.op < 85) pair.close(one.a);
  else pair.cancel(one.a);
  pair.expectSame();
}

test(`FIRST_COME_FIRST_SERVED decides as the slow model does (seed ${SEED})`, () => {
  const instruction = fc.record<Instruction>({ op: fc.nat(99), a: fc.nat(9_999), b: fc.nat(9_999), c: fc.nat(9_999) });
  const sequences = fc.array(instruction, { minLength: 1, maxLength: 80, size: "max" });
  const seen = { granted: 0, denied: 0, queued: 0, served: 0 };
  fc.assert(
    fc.property(sequences, (instructions) => {
      const pair = new Pair();
      for (const one of instructions) follow(pair, one);
      for (const what of ["granted", "denied", "queued", "served"] as const) seen[what] += pair.seen[what];
    }),
    { seed: SEED, numRuns: 25 },
  );
  // Otherwise this has shown little.
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(40);
}, 120_000);
