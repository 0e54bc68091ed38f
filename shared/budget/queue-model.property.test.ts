/**
 * The engine's queue beside the slow model of it: the same requests are served, at the same moments, in the same order. And what the
 * orders promise, stated on its own: backfill never delays the first, and nobody who comes later than the bound of aging says is served
 * before an older one out of what that one needs.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { LIMITS } from "#std";
import type { Message } from "./outcome.ts";
import { PRIORITIES } from "./policy.ts";
import { AMOUNTS, type Job, type ModelStrategy, QueueModel } from "./queue-model.test-support.ts";
import { conflictOf, limits, Scenario } from "./scenario.test-support.ts";

const SEED = 20_261_124;
const ROOM = { credits: 60, toolCalls: 12, branches: 8, memoryBytes: 40 };
const STEP_MS = 400;
const QUICK_STEP_MS = 100;
const EMERGENCY = PRIORITIES.length - 1;

interface Instruction {
  readonly op: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

const instruction = fc.record<Instruction>({ op: fc.nat(99), a: fc.nat(9_999), b: fc.nat(9_999), c: fc.nat(9_999) });

/** The engine and the model, given the same. */
class Pair {
  readonly s = new Scenario();
  readonly model: QueueModel;
  readonly account: string;
  /** Engine ids of the jobs by their names, which are the ids of their requests. */
  readonly #nodes = new Map<string, string>();

  constructor(strategy: ModelStrategy, stepMs = STEP_MS) {
    this.model = new QueueModel(ROOM, strategy, stepMs);
    this.account = this.s.account(ROOM, { strategy, agingStepMs: stepMs });
  }

  arrive({ a, b, c }: Instruction): void {
    const wanted = {
      credits: a % 40,
      toolCalls: b % 3 === 0 ? b % 9 : 0,
      branches: c % 5,
      memoryBytes: c % 2 ? c % 29 : 0,
    };
    const min = { credits: a % 4 === 0 ? wanted.credits >> 1 : wanted.credits, toolCalls: wanted.toolCalls };
    const durationMs = b % 3 === 0 ? undefined : LIMITS.dueBucketMs * (1 + (b % 30));
    const base = a % PRIORITIES.length;
    const priority = PRIORITIES[base] ?? "NORMAL";
    const asked = { ...wanted, ...(durationMs === undefined ? {} : { durationMs }) };
    const wish = this.s.openWish(this.account, { limits: asked, min, priority, waitMs: 600_000 });
    const slots = wanted.branches + 1;
    const job: Job = {
      name: wish.requestId,
      base,
      wanted: { ...wanted, branches: slots },
      min: { ...min, branches: slots, memoryBytes: wanted.memoryBytes },
      durationMs,
    };
    this.#nodes.set(job.name, wish.allocationId);
    const outcome = this.s.grant(wish);
    const place = this.model.arrive(job);
    if (outcome.type === "opened") expect(place, job.name).toBe(0);
    else expect(conflictOf(outcome).position, job.name).toBe(place);
  }

  endOne(n: number): void {
    const job = this.model.running[n % Math.max(1, this.model.running.length)];
    if (!job) return;
    this.s.close(this.#nodes.get(job.name) ?? "");
    this.model.end(job.name);
    this.expectSameStarted();
  }

  cancelOne(n: number): void {
    const job = this.model.waiting[n % Math.max(1, this.model.waiting.length)];
    if (!job) return;
    this.s.ask({ type: "cancel_request", caller: "client", requestId: job.name });
    this.model.leave(job.name);
    this.expectSameStarted();
  }

  pass(buckets: number): void {
    for (let i = 0; i < buckets; i += 1) {
      this.s.wait(LIMITS.dueBucketMs);
      this.model.passTo(this.s.nowMs);
      this.expectSameStarted();
    }
  }

  setStrategy(strategy: ModelStrategy): void {
    const policy = { strategy, agingStepMs: this.model.stepMs } as const;
    this.s.ask({ type: "set_limits", allocationId: this.account, limits: limits(ROOM), policy });
    const changed = this.model.strategy !== strategy;
    this.model.strategy = strategy;
    if (changed) this.model.serve();
    this.expectSameStarted();
  }

  expectSameStarted(): void {
    expect(opened(this.s.last.messages)).toEqual(this.model.started);
    this.model.started = [];
    const places = [...this.s.node(this.account).waiters].map(({ request }) => request.requestId);
    expect(places).toEqual(this.model.inOrder().map(({ name }) => name));
  }
}

function opened(messages: readonly Message[]): string[] {
  return messages.flatMap((message) =>
    message.type === "decided" && message.outcome.type === "opened" ? [message.requestId] : [],
  );
}

function follow(pair: Pair, one: Instruction): void {
  if (one.op < 55) pair.arrive(one);
  else if (one.op < 75) pair.endOne(one.a);
  else if (one.op < 92) pair.pass(1 + (one.a % 6));
  else if (one.op < 97) pair.cancelOne(one.a);
  else pair.setStrategy(one.a % 2 === 0 ? "QUEUE_AND_WAIT" : "PRIORITY_BASED");
}

const strategies = fc.constantFrom<ModelStrategy>("QUEUE_AND_WAIT", "PRIORITY_BASED");
const sequences = fc.array(instruction, { minLength: 1, maxLength: 120, size: "max" });

test(`serves as the slow model does (seed ${SEED})`, () => {
  fc.assert(
    fc.property(strategies, sequences, (strategy, instructions) => {
      const pair = new Pair(strategy);
      for (const one of instructions) follow(pair, one);
    }),
    { seed: SEED, numRuns: 60 },
  );
}, 120_000);

test(`QUEUE_AND_WAIT: what the first is promised is never put off (seed ${SEED})`, () => {
  fc.assert(
    fc.property(sequences, (instructions) => {
      const pair = new Pair("QUEUE_AND_WAIT");
      const promised = new Map<string, number>();
      for (const one of instructions) {
        if (one.op < 97) follow(pair, one);
        for (const amount of ["branches", "memoryBytes"] as const) {
          const first = pair.model.inOrder().find(({ min }) => min[amount] > 0);
          const shadowMs = pair.model.shadowMs(amount);
          if (!first || shadowMs === undefined) continue;
          const key = `${first.name} ${amount}`;
          // Once there is room for it now, there is room from now on.
          expect(shadowMs, key).toBeLessThanOrEqual(Math.max(promised.get(key) ?? shadowMs, pair.model.nowMs));
          promised.set(key, Math.min(shadowMs, promised.get(key) ?? shadowMs));
        }
      }
    }),
    { seed: SEED, numRuns: 60 },
  );
}, 120_000);

test(`PRIORITY_BASED: who comes after the bound takes nothing that an older one needs (seed ${SEED})`, () => {
  let shown = 0;
  fc.assert(
    fc.property(sequences, (instructions) => {
      const pair = new Pair("PRIORITY_BASED", QUICK_STEP_MS);
      for (const one of instructions) {
        const waiting = pair.model.waiting;
        if (one.op < 97) follow(pair, one);
        const still = new Set(pair.model.waiting.map(({ name }) => name));
        const served = waiting.filter(
          ({ name }) => !still.has(name) && pair.model.running.some((r) => r.name === name),
        );
        for (const old of pair.model.waiting) {
          const boundMs = old.arrivedAtMs + (EMERGENCY - old.base + 1) * QUICK_STEP_MS;
          for (const late of served.filter(({ arrivedAtMs }) => arrivedAtMs > boundMs)) {
            const shared = AMOUNTS.filter((amount) => late.wanted[amount] > 0 && old.min[amount] > 0);
            for (const amount of shared) expect(pair.model.free[amount]).toBeGreaterThanOrEqual(old.min[amount]);
            if (shared.length > 0) shown += 1;
          }
        }
      }
    }),
    { seed: SEED, numRuns: 60 },
  );
  // Otherwise this has shown nothing.
  expect(shown).toBeGreaterThan(0);
}, 120_000);
