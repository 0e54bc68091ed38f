/**
 * PREEMPTION_ALLOWED, carried out: whom a request that is short at a node has give way (strategies/victim-plan.ts decides), what is set aside
 * for it as they do, and when to look again. Everything is journaled before anybody is asked.
 * - A request becomes a claim when it begins to wait. It has one plan at a time: the next is made when those of the last have given way, or,
 *   where they were only asked for what is free, when they have not given it within the grace.
 * - When nobody can give way any more, what was set aside is free again, and it waits like any other; it is looked at again from time to time.
 */
import { LIMITS } from "#std";
import { type Amount, monus, ZERO } from "./amount.ts";
import { pendingOf } from "./asked.ts";
import type { Claim, Giver } from "./claims.ts";
import type { GrantWish } from "./command.ts";
import { type Draft, emit, note } from "./draft.ts";
import { isExhausted } from "./exhausted.ts";
import { freeOf, isConsumable } from "./free.ts";
import { endsAtMs } from "./going-ahead.ts";
import { asOf, atOnce, type Lack, lacksOf } from "./lacking-when.ts";
import { PRIORITIES, type Priority, type Under } from "./policy.ts";
import { type PreemptionRules, preemptionRulesAt } from "./preemption-rules.ts";
import { beginReclaim } from "./reclaim-begin.ts";
import { freeThrough, type Staying } from "./reservation-calendar.ts";
import { type Amounts, type HeldResource, isNothing, leastAmounts, NOTHING, type Resource } from "./resource.ts";
import type { Allocation, BudgetState, Waiter } from "./state.ts";
import { strategyAt, strategyNamed } from "./strategies/index.ts";
import { planVictims, type VictimPlan } from "./strategies/victim-plan.ts";
import { sightOfRank } from "./tranche-draw.ts";
import { isAskedFor, type Reach } from "./unspent.ts";
import { candidatesAt, claimNamed } from "./victim-candidates.ts";
import type { Ahead } from "./wait-queue.ts";

/** Who claims: one who waits, or would. */
export interface Claiming {
  readonly node: Allocation;
  readonly request: GrantWish;
  /** Rank of its base priority. */
  readonly base: number;
  readonly min: Amounts;
  /** Those who have their turn before it. */
  readonly ahead: Ahead;
  /** What is set aside for it already. */
  readonly reserved: Amounts;
  /** How preemptions for it are named. */
  readonly own: string;
  /** Whose rules of preemption count; absent: those of the policies. */
  readonly under?: Under;
}

/** Whether others may have to give way to the request at this node. */
export function mayPreempt(node: Allocation, request: GrantWish, under: Under = "policy"): boolean {
  // What is reserved takes from nobody.
  if (request.reservationId !== undefined) return false;
  return strategyNamed(request.strategy ?? strategyAt(node, under))?.preempts === true && node.pooled.length === 0;
}

type NoPlan = Extract<VictimPlan, { readonly type: "none" }>;
type Plan = Extract<VictimPlan, { readonly type: "plan" }>;

const NOBODY_NOW: NoPlan = Object.freeze({
  type: "none",
  reason: "PENDING",
  because: "budget of it is asked back itself: nobody below gives way to another now",
  shortBy: NOTHING,
  spared: [],
  againAtMs: undefined,
});

const NOTHING_LACKS: NoPlan = Object.freeze({ ...NOBODY_NOW, because: "nothing is lacking but its turn" });

/** Who would give way. Changes nothing. */
export function planFor(draft: Draft, claiming: Claiming, reach: Reach): VictimPlan {
  const { node, request, base } = claiming;
  if (isAskedFor(node)) return NOBODY_NOW;
  const rules = rulesFor(node, reach, claiming.under);
  const priority = priorityOf(base);
  const { candidates, cut } = candidatesAt(draft, node, { below: priority, rules, reach, own: claiming.own });
  const path = request.type === "open" ? `${node.path}/${request.name}` : pathOf(draft.state, request.allocationId);
  const { state, nowMs } = draft;
  const lacks = lackingBy(claiming, { nowMs, endsAtMs: endsAtMs(state, node, request, nowMs) });
  const plan = ({ atMs, needed }: Lack) => {
    const then = atMs === nowMs ? candidates : candidates.map((one) => asOf(state, one, { nowMs, atMs }));
    return planVictims({ claimant: { priority, path }, needed, candidates: then, cut, rules, nowMs });
  };
  return planAll(reach === "all" ? lacks : atOnce(lacks), plan);
}

/** The plan for the first of them, where there is one for each. */
function planAll(lacks: readonly Lack[], plan: (lack: Lack) => VictimPlan): VictimPlan {
  let first: VictimPlan | undefined;
  for (const lack of lacks) {
    const found = plan(lack);
    if (found.type === "none") return found;
    first ??= found;
  }
  return first ?? NOTHING_LACKS;
}

function rulesFor(node: Allocation, reach: Reach, under?: Under): PreemptionRules {
  const rules = preemptionRulesAt(node, under);
  return reach === "all" ? rules : { ...rules, worst: "SHRINK" };
}

function priorityOf(base: number): Priority {
  return PRIORITIES[base] ?? "LOW";
}

function pathOf({ allocations }: BudgetState, id: string): string {
  return allocations.get(id)?.path ?? id;
}

/**
 * What it lacks, and when: its minimum less what is set aside for it and what is free behind those before it; and the debt, which is paid first.
 */
function lackingBy({ node, min, ahead, reserved, base }: Claiming, staying: Staying): Lack[] {
  const lackOf = (resource: Resource, free: Amount) => {
    const missing = monus(min[resource], reserved[resource]);
    if (missing === 0) return ZERO;
    const debt = isConsumable(resource) ? node.books[resource].debt : ZERO;
    return monus((missing + debt) as Amount, monus(free, ahead.claimed[resource]));
  };
  const sight = sightOfRank(base);
  const spent = {
    ...NOTHING,
    credits: lackOf("credits", freeOf(node, "credits", sight)),
    toolCalls: lackOf("toolCalls", freeOf(node, "toolCalls", sight)),
  };
  const freeOver = (resource: HeldResource) => freeThrough(node, resource, staying);
  return lacksOf({ nowMs: staying.nowMs, spent, lackOf, freeThrough: freeOver });
}

/** One who waits, as it claims now. */
export function claimingOf(node: Allocation, waiter: Waiter): Claiming {
  const { request, base, demand } = waiter;
  const reserved = node.waiters.earmarks.of(waiter.effectKey);
  return { node, request, base, min: demand.min, ahead: node.waiters.before(waiter), reserved, own: ownName(waiter) };
}

/** Preemptions for one claim: that of the round follows (sameClaim in reclaim-begin.ts). */
function ownName({ sequence }: Waiter): string {
  return `claim-${sequence}.`;
}

/** Why nobody gives way to one who claims, as it stands now: who is left alone, and for how long. Undefined when somebody does. */
export function whyNobody(draft: Draft, waiter: Waiter): string | undefined {
  const node = draft.state.allocations.get(waiter.parentId);
  const known = node?.waiters.claims.get(waiter.effectKey);
  if (!node || !known || known.givers.length > 0 || !mayPreempt(node, waiter.request)) return undefined;
  const plan = planFor(draft, claimingOf(node, waiter), "all");
  return plan.type === "none" ? plan.because : undefined;
}

/** One who has begun to wait claims, by a plan that was made for it a moment ago. */
export function claim(draft: Draft, node: Allocation, { waiter, plan }: Claimed): void {
  if (plan.type === "plan") carryOut(draft, node, { waiter, plan, round: 1, owing: [] });
  else tellPlan(draft, node, { waiter, round: 0, givers: [], lookAtMs: lookAtMs(draft, plan) });
  note(draft, node);
}

interface Claimed {
  readonly waiter: Waiter;
  readonly plan: VictimPlan;
}

function lookAtMs({ nowMs }: Draft, { againAtMs }: NoPlan): number {
  return Math.min(againAtMs ?? Number.POSITIVE_INFINITY, nowMs + LIMITS.claimLookMs);
}

interface Told {
  readonly waiter: Waiter;
  readonly round: number;
  readonly givers: readonly Giver[];
  readonly lookAtMs: number;
}

function tellPlan(draft: Draft, node: Allocation, { waiter: { effectKey }, ...rest }: Told): void {
  emit(draft, { type: "claim_planned", atMs: draft.nowMs, parentId: node.id, effectKey, ...rest }, node);
}

interface Carrying {
  readonly waiter: Waiter;
  readonly plan: Plan;
  readonly round: number;
  /** Of earlier plans, who has not given all yet. */
  readonly owing: readonly Giver[];
}

/** Asks those of the plan, one after the other, until the claim is met. */
function carryOut(draft: Draft, node: Allocation, { waiter, plan, round, owing }: Carrying): void {
  const { graceMs } = preemptionRulesAt(node);
  const preemptionId = `${ownName(waiter)}${round}`;
  const shrinking = plan.unspent.filter(({ id }) => !claimNamed(node, id));
  const asked = [
    ...shrinking.map(({ id, takes, because }) => ({ id, takes, because, mode: "SHRINK" as const })),
    ...plan.victims,
  ];
  const givers = asked.map(({ id: allocationId, mode }) => ({ allocationId, preemptionId, mode }));
  const look = draft.nowMs + graceMs + LIMITS.claimLookMs;
  tellPlan(draft, node, { waiter, round, givers: [...owing, ...givers], lookAtMs: look });
  for (const { id, takes } of plan.unspent)
    if (claimNamed(node, id)) takeOver(draft, node, { waiter, from: id, takes });
  const claimantPriority = priorityOf(waiter.base);
  for (const { id, takes: wanted, because: reason, mode } of asked) {
    const child = draft.state.allocations.get(id);
    if (child?.state !== "open" || !isWaiting(node, waiter)) continue;
    beginReclaim(draft, child, { preemptionId, wanted, mode, reason, graceMs, claimantPriority, forOthers: true });
  }
}

function isWaiting(node: Allocation, { effectKey }: Waiter): boolean {
  return node.waiters.claims.get(effectKey) !== undefined;
}

interface Taking {
  readonly waiter: Waiter;
  readonly from: string;
  readonly takes: Amounts;
}

/** Room that is set aside for a lower claim goes over to this one; that one goes on waiting. */
function takeOver(draft: Draft, node: Allocation, { waiter, from, takes }: Taking): void {
  const by = leastAmounts(takes, node.waiters.earmarks.of(from));
  if (isNothing(by)) return;
  const event = { type: "room_reserved", atMs: draft.nowMs, parentId: node.id } as const;
  emit(draft, { ...event, effectKey: waiter.effectKey, by, fromEffectKey: from }, node);
}

/** The time has come to look at a claim again. */
export function lookAgain(draft: Draft, waiter: Waiter): void {
  const node = draft.state.allocations.get(waiter.parentId);
  const known = node?.waiters.claims.get(waiter.effectKey);
  if (!node || known?.waiter !== waiter) return;
  if (isLeaving(draft.state, known)) tellAgain(draft, node, known);
  else planAgain(draft, node, known);
  note(draft, node);
}

function tellAgain(draft: Draft, node: Allocation, { waiter, round, givers }: Claim): void {
  tellPlan(draft, node, { waiter, round, givers, lookAtMs: draft.nowMs + LIMITS.claimLookMs });
}

/** Makes and carries out the next plan; where there is none, what was set aside is free again. */
export function planAgain(draft: Draft, node: Allocation, known: Claim): void {
  const { waiter, round } = known;
  const owing = known.givers.filter((giver) => !hasGiven(draft.state, giver));
  if (!mayPreempt(node, waiter.request)) {
    tellPlan(draft, node, { waiter, round, givers: [], lookAtMs: waiter.untilMs + LIMITS.claimLookMs });
    return;
  }
  if (waiter.shut === true) {
    // It could not use it: it has its next plan when it has its turn for its names.
    tellPlan(draft, node, { waiter, round, givers: owing, lookAtMs: draft.nowMs + LIMITS.claimLookMs });
    return;
  }
  const plan = planFor(draft, claimingOf(node, waiter), "all");
  if (plan.type === "plan") carryOut(draft, node, { waiter, plan, round: round + 1, owing });
  else tellPlan(draft, node, { waiter, round, givers: owing, lookAtMs: lookAtMs(draft, plan) });
}

/** Whether running work is still on its way out for it. */
function isLeaving(state: BudgetState, { givers }: Claim): boolean {
  return givers.some((giver) => giver.mode === "STOP" && !hasGiven(state, giver));
}

/** It was asked for what is free, and has nothing of it any more. */
export function hasNothingFree({ allocations }: BudgetState, { allocationId, preemptionId, mode }: Giver): boolean {
  const node = allocations.get(allocationId);
  const reclaim = node?.reclaims.get(preemptionId);
  return mode === "SHRINK" && node !== undefined && reclaim !== undefined && isExhausted({ node, reclaim });
}

/** Nothing more comes of it. */
export function hasGiven({ allocations }: BudgetState, { allocationId, preemptionId, mode }: Giver): boolean {
  const node = allocations.get(allocationId);
  if (!node || node.state === "closed") return true;
  const reclaim = node.reclaims.get(preemptionId);
  if (mode === "PAUSE") return !reclaim || isNothing(pendingOf(reclaim));
  return mode === "SHRINK" && !reclaim;
}
