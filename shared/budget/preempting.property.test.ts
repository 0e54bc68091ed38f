/**
 * Random work at one node that preempts: claims of all priorities, calls that overrun, holders elsewhere that are slow, people who take back
 * and cancel. The scenario checks the books, the marks, replay and that nothing is stuck after every event; here it is said who may give way
 * to whom, who may be granted what, and that it comes to an end, without the engine's own rules.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { nextDueMs } from "./decide-time.ts";
import { describeState } from "./describe.ts";
import type { BudgetEvent } from "./event.ts";
import { PRIORITIES, type PreemptionMode } from "./policy.ts";
import { Scenario, some, usage } from "./scenario.test-support.ts";
import { snapshotParts } from "./snapshot.ts";
import { restoreState } from "./snapshot-restore.ts";

const SEED = 20_261_125;
const COOL_DOWN_MS = 20_000;
const PROTECT_MS = 1_000;

interface Step {
  readonly op: number;
  readonly a: number;
  readonly b: number;
}

const step = fc.record<Step>({ op: fc.nat(99), a: fc.nat(9_999), b: fc.nat(9_999) });

/** What an onlooker knows: from the events alone. */
class Onlooker {
  readonly base = new Map<string, number>();
  readonly opened = new Map<string, number>();
  readonly stopped = new Map<string, number>();
  readonly waiting = new Map<string, number>();
  readonly asked = new Set<string>();
  stops = 0;
  pauses = 0;
  resumed = 0;
  plans = 0;
  readonly #worst: string;

  constructor(worst: string) {
    this.#worst = worst;
  }

  see(event: BudgetEvent): void {
    switch (event.type) {
      case "allocation_opened":
        this.base.set(event.allocationId, PRIORITIES.indexOf(event.priority));
        this.opened.set(event.allocationId, event.atMs);
        if (event.preemptedAtMs !== undefined) this.stopped.set(event.allocationId, event.preemptedAtMs);
        break;
      case "request_queued": {
        const { request } = event;
        const own =
          request.type === "open" ? PRIORITIES.indexOf(request.priority) : this.base.get(request.allocationId);
        this.waiting.set(event.effectKey, own ?? 0);
        break;
      }
      case "request_dequeued":
        this.waiting.delete(event.effectKey);
        break;
      case "claim_planned":
        this.#plan(event);
        break;
      case "reclaim_ended":
        // Who goes on is left alone from then on.
        if (event.cause !== "resumed" || !this.stopped.has(event.allocationId)) break;
        this.stopped.set(event.allocationId, event.atMs);
        this.resumed += 1;
        break;
      case "room_reserved":
        expect(this.waiting.has(event.effectKey)).toBe(true);
        if (event.fromEffectKey !== undefined) {
          expect(this.waiting.get(event.effectKey)).toBeGreaterThan(this.waiting.get(event.fromEffectKey) ?? 0);
        }
        break;
      default:
    }
  }

  #plan({ effectKey, givers, atMs }: Extract<BudgetEvent, { type: "claim_planned" }>): void {
    const claimant = this.waiting.get(effectKey);
    expect(claimant, `${effectKey} waits`).toBeDefined();
    for (const { allocationId, preemptionId, mode } of givers) {
      expect(this.base.get(allocationId), `${allocationId} gives way`).toBeLessThan(claimant ?? 0);
      const name = `${preemptionId} ${allocationId}`;
      if (this.asked.has(name)) continue;
      this.asked.add(name);
      this.plans += 1;
      expect(atMs - (this.opened.get(allocationId) ?? 0)).toBeGreaterThanOrEqual(PROTECT_MS);
      expect(atMs - (this.stopped.get(allocationId) ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(COOL_DOWN_MS);
      if (mode === "SHRINK") continue;
      expect(mode === "PAUSE" ? ["PAUSE", "STOP"] : ["STOP"]).toContain(this.#worst);
      if (mode === "STOP") this.stops += 1;
      else this.pauses += 1;
      this.stopped.set(allocationId, atMs);
    }
  }
}

class Play {
  readonly s = new Scenario();
  readonly onlooker: Onlooker;
  readonly top: string;
  /** Most of what there is is set aside for calls that take long and cost little: then what is free does not help. */
  readonly #tight: boolean;
  #seen = 0;

  constructor(rounds: number, worst: PreemptionMode) {
    this.onlooker = new Onlooker(worst);
    this.#tight = worst === "PAUSE";
    const preemption = {
      worst,
      protectMs: PROTECT_MS,
      coolDownMs: COOL_DOWN_MS,
      graceMs: 500,
      victimsPerRoundMax: rounds,
    };
    // A pause frees no slots: where there are enough of them only budget is short.
    const branches = worst === "PAUSE" ? 60 : 6;
    const above = this.s.account({ credits: 400, toolCalls: 40, branches: branches + 3 });
    const policy = { strategy: "PREEMPTION_ALLOWED", preemption } as const;
    this.top = this.s.open(above, { kind: "swarm", limits: { credits: 300, toolCalls: 30, branches }, policy });
    this.look();
  }

  look(): void {
    for (const event of this.s.events.slice(this.#seen)) this.onlooker.see(event);
    this.#seen = this.s.events.length;
  }

  #open() {
    return [...this.s.node(this.top).children].filter(({ state }) => state !== "closed");
  }

  do({ op, a, b }: Step): void {
    const { s } = this;
    const open = this.#open();
    const node = open[a % Math.max(1, open.length)];
    if (op < 30) this.#want(a, b);
    else if (op < 45) s.wait(a % 4_000);
    else if (op < 60 && node) this.#spend(node.id, a, b);
    else if (op < 75) this.#settle(a, b);
    else if (op < 80 && node?.side === "delegated") this.#report(node.id, b, b % 3 === 0);
    else if (op < 82 && node?.side === "delegated") this.#giveBack(node.id, b);
    else if (op < 88 && node) s.close(node.id);
    else if (op < 92) this.#cancel(a);
    else if (op < 96) this.#raise(node?.id, a, b);
    else this.#takeBack(a);
    this.look();
  }

  #want(a: number, b: number): void {
    const credits = 10 + (a % 140);
    const held = b % (this.#tight ? 6 : 3) === 0 ? { holder: "elsewhere" } : {};
    const limits = { credits, toolCalls: b % 7, ...(b % 5 === 0 ? { branches: 1 } : {}) };
    const min = a % 4 === 0 ? { min: { credits: Math.ceil(credits / 2) } } : {};
    const gone = [...this.onlooker.stopped.keys()].filter((id) => this.s.state.allocations.get(id)?.state !== "open");
    const attemptOf = gone[b % Math.max(1, gone.length)];
    const again = a % 3 === 0 && attemptOf !== undefined ? { attemptOf } : {};
    const priority = PRIORITIES[a % PRIORITIES.length] ?? "LOW";
    const waitMs = a % 6 === 0 ? 0 : (this.#tight ? 20_000 : 5_000) + (b % 60_000);
    this.s.grant(this.s.openWish(this.top, { limits, priority, waitMs, ...held, ...min, ...again }));
  }

  #spend(id: string, a: number, b: number): void {
    if (this.s.node(id).side === "local") {
      // Where all is set aside nothing is free to be asked for.
      const all = this.#tight || b % 3 === 0 ? this.s.node(id).books.credits.available : 0;
      this.s.tryReserve(id, {
        wanted: { credits: Math.max(all, a % 60), toolCalls: b % 2 },
        min: {},
        ttlMs: (this.#tight ? 20_000 : 1_000) + (b % 20_000),
      });
    } else this.#report(id, a, false);
  }

  #settle(a: number, b: number): void {
    const holds = [...this.s.state.holds.values()];
    const hold = holds[a % Math.max(1, holds.length)];
    if (!hold || (this.#tight && b % 3 > 0)) return;
    this.s.settle(hold.id, { credits: b % (this.#tight ? 8 : 90), toolCalls: b % 2 });
  }

  #report(id: string, n: number, final: boolean): void {
    const { books, usageSequence } = this.s.node(id);
    const credits = Math.max(books.credits.usage, Math.min(n % 200, books.credits.limit));
    const used = usage({ credits, toolCalls: books.toolCalls.usage });
    this.s.report(id, usageSequence + 1, used, { caller: "elsewhere", final });
  }

  /** A holder elsewhere gives back some of what it has not used. */
  #giveBack(id: string, n: number): void {
    const { books, returnedTotal, epoch } = this.s.node(id);
    const unused = Math.max(0, books.credits.limit - books.credits.usage);
    const credits = returnedTotal.credits + (n % (unused + 1));
    const which = { type: "receive_return", caller: "elsewhere", allocationId: id, epoch } as const;
    this.s.run({
      ...which,
      returnedTotal: { ...returnedTotal, ...some({ credits }), toolCalls: returnedTotal.toolCalls },
    });
  }

  #cancel(a: number): void {
    const waiting = [...this.s.node(this.top).waiters];
    const request = waiting[a % Math.max(1, waiting.length)]?.request;
    if (request && request.caller !== "")
      this.s.ask({ type: "cancel_request", caller: request.caller, requestId: request.requestId });
  }

  #raise(id: string | undefined, a: number, b: number): void {
    if (id === undefined) return;
    const caller = this.s.node(id).side === "delegated" ? "elsewhere" : "client";
    this.s.grant(this.s.raiseWish(id, { by: { credits: a % 80 }, caller, waitMs: b % 2 === 0 ? 20_000 : 0 }));
  }

  #takeBack(a: number): void {
    const { s, top } = this;
    const which = { preemptionId: s.id("person"), allocationId: top, epoch: undefined } as const;
    s.run({ type: "reclaim", ...which, amounts: some({ credits: a % 60 }), mode: "SHRINK", reason: "a person's" });
    if (a % 2 === 0) s.run({ type: "cancel_reclaim", preemptionId: which.preemptionId, allocationId: top });
    s.grant(s.raiseWish(top, { by: { credits: a % 60 } }));
  }

  /** Nobody asks for anything any more; time goes on, holders elsewhere end when they are asked to. */
  settleDown(): void {
    const { s } = this;
    for (let i = 0; i < 400; i += 1) {
      for (const child of this.#open()) {
        const stops = [...child.reclaims.values()].some(({ mode }) => mode === "STOP");
        if (child.side === "delegated" && stops) this.#report(child.id, 0, true);
      }
      const due = nextDueMs(s.state);
      if (due === undefined || this.#waiting() === 0) return;
      s.nowMs = Math.max(s.nowMs, due);
      s.run({ type: "tick" });
      this.look();
    }
    expect(this.#waiting(), "somebody waits for ever").toBe(0);
  }

  /** Work that stands still may wait for what others have spent. */
  #waiting(): number {
    return [...this.s.node(this.top).waiters].filter(({ request }) => request.caller !== "").length;
  }
}

const worsts = fc.constantFrom<PreemptionMode>("SHRINK", "PAUSE", "PAUSE", "PAUSE", "STOP", "STOP", "STOP");

test(`only lower ones give way, none twice too soon, and it ends (seed ${SEED})`, () => {
  const sum = { plans: 0, stops: 0, pauses: 0, resumed: 0, reserved: 0, taken: 0 };
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 60, maxLength: 120, size: "max" }),
      fc.nat(2),
      worsts,
      (steps, rounds, worst) => {
        const play = new Play(1 + rounds * 3, worst);
        for (const one of steps) play.do(one);
        const restored = restoreState(structuredClone([...snapshotParts(play.s.state)]));
        expect(describeState(restored)).toEqual(describeState(play.s.state));
        play.settleDown();
        sum.plans += play.onlooker.plans;
        sum.stops += play.onlooker.stops;
        sum.pauses += play.onlooker.pauses;
        sum.resumed += play.onlooker.resumed;
        for (const event of play.s.events) {
          if (event.type !== "room_reserved") continue;
          sum.reserved += 1;
          if (event.fromEffectKey !== undefined) sum.taken += 1;
        }
      },
    ),
    { seed: SEED, numRuns: 60 },
  );
  // It is worth nothing if it does not happen.
  expect(sum.plans).toBeGreaterThan(120);
  expect(sum.stops).toBeGreaterThan(15);
  expect(sum.pauses).toBeGreaterThan(13);
  expect(sum.resumed).toBeGreaterThan(7);
  expect(sum.reserved).toBeGreaterThan(100);
  expect(sum.taken).toBeGreaterThan(0);
}, 60_000);
