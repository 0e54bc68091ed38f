/**
 * A tier's engine as tests drive it: an explicit clock, a counter for ids, and a second state that is fed the events alone. After every
 * event the invariants are checked on the second state; after every decision both states must be the same, a refusal must have changed
 * nothing, and nothing may be left lying that should have moved (see assertNothingStuck).
 */
import { assert } from "#std";
import { type Amount, amount } from "./amount.ts";
import { usageOf } from "./cascade.ts";
import type { Command, GrantWish, OpenWish, RaiseWish, ReportedUsage } from "./command.ts";
import { decide } from "./decide.ts";
import { describeState } from "./describe.ts";
import type { BudgetEvent } from "./event.ts";
import { evolve } from "./evolve.ts";
import { assertInvariants } from "./invariants.ts";
import { assertNothingStuck } from "./nothing-stuck.test-support.ts";
import type { Conflict, Decision, Outcome, OutcomeOf, Refusal } from "./outcome.ts";
import type { Policy } from "./policy.ts";
import { type Amounts, amountsOf, CONSUMABLES, type Limits, RESOURCES, type Resource } from "./resource.ts";
import { type Allocation, createState } from "./state.ts";

type Numbers = { readonly [R in Resource]?: number };
type WithoutTime<T> = T extends { readonly nowMs: number } ? Omit<T, "nowMs"> : never;
/** A command whose time is the scenario's. */
export type Untimed = WithoutTime<Command>;

type CommandFor<T extends Untimed["type"]> = Extract<Untimed, { readonly type: T }>;
export type LimitNumbers = { readonly [L in keyof Limits]?: number };

/** How long the lease of a received grant is, and the policy below it. */
export interface Receiving {
  readonly leaseMs?: number;
  readonly policy?: Policy;
}

/** Amounts from plain numbers; what is absent is zero. */
export function some(numbers: Numbers = {}): Amounts {
  return amountsOf(numbers as { readonly [R in Resource]?: Amount });
}

/** Limits from plain numbers; what is absent is not limited. */
export function limits(numbers: LimitNumbers = {}): Limits {
  for (const value of Object.values(numbers)) amount(value);
  return numbers as Limits;
}

/** A usage report in which only what is named is not zero. */
export function usage(
  numbers: Partial<Record<keyof ReportedUsage, number | boolean | ReportedUsage["callsPerTool"]>> = {},
) {
  const zero = {
    credits: 0,
    toolCalls: 0,
    overrunCredits: 0,
    overrunToolCalls: 0,
    branchesPeak: 0,
    memoryPeakBytes: 0,
  };
  const plain = { networkBytes: 0, diskBytes: 0, gpuMs: 0, callsPerTool: [], corrections: 0, provisional: false };
  return { ...zero, ...plain, ...numbers } as ReportedUsage;
}

/** Everything but the limits has a default: a NORMAL step of this daemon that may be granted nothing less and does not wait. */
export type Opening = Partial<Omit<OpenWish, "type" | "parentId" | "limits" | "min">> & {
  readonly limits?: LimitNumbers;
  readonly min?: Numbers;
};

export type Raising = Partial<Omit<RaiseWish, "type" | "allocationId" | "by" | "min">> & {
  readonly by: Numbers;
  readonly min?: Numbers;
};

export interface Reserving {
  readonly requestId?: string;
  readonly holdId?: string;
  readonly what?: "model" | "tool" | "code";
  readonly name?: string;
  readonly wanted: Numbers;
  readonly min?: Numbers;
  readonly ttlMs?: number;
}

export interface Cost {
  readonly credits?: number;
  readonly toolCalls?: number;
  readonly final?: boolean;
}

export class Scenario {
  nowMs = 0;
  state = createState();
  readonly events: BudgetEvent[] = [];
  /** The latest decision. */
  last: Decision = { outcome: { type: "done", changed: false }, events: [], messages: [] };
  #shadow = createState();
  #described = JSON.stringify(describeState(this.state));
  #count = 0;
  #checking = true;
  readonly #answers: { readonly decision: Decision; readonly text: string }[] = [];
  readonly #seen = new Map<string, number>();
  readonly #side: string;

  constructor(side = "") {
    this.#side = side;
  }

  /** A new id; where two engines meet, `#side` tells theirs apart. */
  id(prefix: string): string {
    this.#count += 1;
    return `${prefix}-${this.#side}${this.#count}`;
  }

  /** Decides one command at the present time, and checks everything that must hold after any command. */
  run(untimed: Untimed): Decision {
    const decision = decide(this.state, { ...untimed, nowMs: this.nowMs } as Command);
    for (const event of decision.events) {
      evolve(this.#shadow, event);
      if (!this.#checking) continue;
      assertInvariants(this.#shadow);
      this.#assertNothingFell();
    }
    this.events.push(...decision.events);
    this.last = decision;
    if (this.#checking) this.#check(untimed.type, decision);
    return decision;
  }

  #check(type: string, decision: Decision): void {
    const described = JSON.stringify(describeState(this.state));
    assert(described === JSON.stringify(describeState(this.#shadow)), `the events of ${type} do not tell its state`);
    if (decision.outcome.type === "refused") {
      assert(decision.events.length === 0 && decision.messages.length === 0, `a refused ${type} has effects`);
      assert(described === this.#described, `a refused ${type} changed the state`);
    }
    assertNothingStuck(this.state, this.nowMs);
    this.#described = described;
    this.#answers.push({ decision, text: JSON.stringify(decision) });
  }

  /** Runs many commands without looking at the whole state after each; it is looked at in the end. */
  quickly(action: () => void): void {
    this.#checking = false;
    action();
    this.#checking = true;
    assertInvariants(this.#shadow);
    this.#check("many commands", { outcome: { type: "done", changed: true }, events: [], messages: [] });
  }

  /** The outcome of a command. */
  ask(command: Untimed): Outcome {
    return this.run(command).outcome;
  }

  /** The outcome, which must be of this type. */
  expect<T extends Outcome["type"]>(type: T, command: Untimed): OutcomeOf<T> {
    const outcome = this.ask(command);
    assert(outcome.type === type, `expected ${type}, got ${JSON.stringify(outcome)}`);
    return outcome as OutcomeOf<T>;
  }

  /** What a crash does: the state is made anew from the events. A daemon would then be told to start. */
  restart(): void {
    this.state = createState();
    for (const event of this.events) evolve(this.state, event);
    const described = JSON.stringify(describeState(this.state));
    assert(described === this.#described, "replaying all events does not give the state");
  }

  /** Outcomes, events and messages must be copies: whatever happened since, they read as they did. */
  assertAnswersStand(): void {
    for (const { decision, text } of this.#answers)
      assert(JSON.stringify(decision) === text, `an answer changed: ${text}`);
  }

  /** Time passes, and its effects with it. */
  wait(ms: number): Decision {
    this.nowMs += ms;
    return this.run({ type: "tick" });
  }

  account(numbers: LimitNumbers = {}, policy: Policy = {}): string {
    const allocationId = this.id("account");
    const command = { type: "open_root", allocationId, name: allocationId, limits: limits(numbers), policy } as const;
    return this.expect("opened", command).allocationId;
  }

  openWish(parentId: string, opening: Opening = {}): OpenWish {
    const allocationId = opening.allocationId ?? this.id("node");
    return {
      type: "open",
      caller: "client",
      requestId: this.id("request"),
      token: undefined,
      parentId,
      name: allocationId,
      kind: "step",
      priority: "NORMAL",
      weight: 1,
      policy: {},
      byHolder: false,
      pooled: [],
      holder: undefined,
      leaseTtlMs: 30_000,
      waitMs: 0,
      strategy: undefined,
      ...opening,
      allocationId,
      limits: limits(opening.limits),
      // Unless told otherwise all or nothing is wanted.
      min: some(opening.min ?? { credits: opening.limits?.credits ?? 0, toolCalls: opening.limits?.toolCalls ?? 0 }),
    };
  }

  raiseWish(allocationId: string, raising: Raising): RaiseWish {
    return {
      type: "raise",
      caller: "client",
      requestId: this.id("request"),
      allocationId,
      epoch: undefined,
      waitMs: 0,
      strategy: undefined,
      ...raising,
      by: some(raising.by),
      min: some(raising.min ?? raising.by),
    };
  }

  grant(wish: GrantWish): Outcome {
    return this.ask({ type: "grant", wish });
  }

  /** Opens an allocation, which must succeed; answers its id. */
  open(parentId: string, opening: Opening = {}): string {
    return this.expect("opened", { type: "grant", wish: this.openWish(parentId, opening) }).allocationId;
  }

  /** The child's side of a grant by another daemon. */
  receiving(
    numbers: LimitNumbers = {},
    { leaseMs = 30_000, policy = {} }: Receiving = {},
  ): CommandFor<"receive_grant"> {
    const allocationId = this.id("received");
    return {
      type: "receive_grant",
      allocationId,
      path: `there/${allocationId}`,
      depth: 1,
      name: allocationId,
      kind: "run",
      limits: limits(numbers),
      pooled: [],
      priority: "NORMAL",
      weight: 1,
      policy,
      peer: "parent",
      token: undefined,
      epoch: 1,
      leaseTtlMs: 30_000,
      leaseEndsAtMs: this.nowMs + leaseMs,
      deadlineLeftMs: undefined,
      notes: [],
    };
  }

  receive(numbers: LimitNumbers = {}, receiving: Receiving = {}): string {
    return this.expect("opened", this.receiving(numbers, receiving)).allocationId;
  }

  tryReserve(allocationId: string, reserving: Reserving): Outcome {
    const {
      requestId = this.id("call"),
      holdId = this.id("hold"),
      what = "model",
      name = "m",
      ttlMs = 60_000,
    } = reserving;
    const [wanted, min] = [some(reserving.wanted), some(reserving.min ?? reserving.wanted)];
    return this.ask({ type: "reserve", allocationId, requestId, holdId, what, name, wanted, min, ttlMs });
  }

  /** Reserves, which must succeed; answers the hold's id. */
  reserve(allocationId: string, reserving: Reserving): string {
    const outcome = this.tryReserve(allocationId, reserving);
    assert(outcome.type === "held", `expected held, got ${JSON.stringify(outcome)}`);
    return outcome.holdId;
  }

  /** Settles a hold at its allocation; final unless told otherwise. */
  settle(holdId: string, { credits = 0, toolCalls = 0, final = true }: Cost = {}): Outcome {
    const { holds, ended } = this.state;
    const allocationId = holds.get(holdId)?.allocation.id ?? ended.call(holdId)?.allocationId ?? "unknown";
    const cost = { credits: amount(credits), toolCalls: amount(toolCalls), final } as const;
    const facts = { networkBytes: 0, diskBytes: 0, gpuMs: 0, memoryPeakBytes: 0 } as const;
    return this.ask({ type: "settle", allocationId, holdId, ...cost, ...facts });
  }

  /** A person's write-off of a grant. */
  writeOff(allocationId: string, requestId = this.id("write-off"), reason = "gone"): Outcome {
    return this.ask({ type: "write_off", caller: "person", requestId, allocationId, reason });
  }

  close(allocationId: string): Outcome {
    return this.ask({ type: "close", allocationId, reason: "finished" });
  }

  /** A holder's report about a grant, which renews its lease. */
  report(
    allocationId: string,
    sequence: number,
    used: ReportedUsage,
    { final = false, caller = "holder", epoch = 1 } = {},
  ): Outcome {
    return this.ask({ type: "report_usage", caller, allocationId, epoch, sequence, usage: used, final });
  }

  node(id: string): Allocation {
    const found = this.state.allocations.get(id);
    assert(found !== undefined, `no allocation ${id}`);
    return found;
  }

  /** The terms of a node's credit book that are not zero. */
  credits(id: string): Readonly<Record<string, number>> {
    const { elastic, ...terms } = this.node(id).books.credits;
    return Object.fromEntries(Object.entries(terms).filter(([, value]) => value !== 0));
  }

  /** The two counters of a grant and overrun never fall; spent and usage only with a correction. */
  #assertNothingFell(): void {
    for (const node of this.#shadow.allocations.values()) {
      for (const resource of RESOURCES) {
        this.#assertNoFall(`${node.id} granted ${resource}`, node.grantedTotal[resource]);
        this.#assertNoFall(`${node.id} returned ${resource}`, node.returnedTotal[resource]);
      }
      for (const resource of CONSUMABLES) {
        const { spent, usage: used, overrun } = node.books[resource];
        const since = `after ${usageOf(node).corrections} corrections`;
        this.#assertNoFall(`${node.id} spent ${resource} ${since}`, spent);
        this.#assertNoFall(`${node.id} usage ${resource} ${since}`, used);
        this.#assertNoFall(`${node.id} overrun ${resource}`, overrun);
      }
    }
  }

  #assertNoFall(what: string, value: number): void {
    assert(value >= (this.#seen.get(what) ?? 0), `${what} fell from ${this.#seen.get(what)} to ${value}`);
    this.#seen.set(what, value);
  }
}

/** The refusal of an outcome, which must be one. */
export function refusalOf(outcome: Outcome): Refusal {
  assert(outcome.type === "refused", `expected a refusal, got ${JSON.stringify(outcome)}`);
  return outcome.refusal;
}

/** The conflict for which a request was refused, or waits. */
export function conflictOf(outcome: Outcome): Conflict {
  if (outcome.type === "queued") return outcome.conflict;
  const refusal = refusalOf(outcome);
  assert(refusal.code === "conflict", `expected a conflict, got ${JSON.stringify(refusal)}`);
  return refusal.conflict;
}
