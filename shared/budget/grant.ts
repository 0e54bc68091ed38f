/** Carrying out a grant that has been decided: what pools must draw first, then the allocation or the raise, and its kept answer. */
import { assert } from "#std";
import { withAccess } from "./access-conflict.ts";
import { type Amount, least, monus } from "./amount.ts";
import { attemptHistory } from "./attempt.ts";
import { NO_LIST } from "./collections.ts";
import type { GrantWish, OpenWish, RaiseWish } from "./command.ts";
import { deadlineUnder, limitsUnder } from "./demand.ts";
import { type Draft, emit } from "./draft.ts";
import { openedAnswer } from "./effect.ts";
import type { AllocationOpened, EffectMark } from "./event.ts";
import { endIfUsedUp, takeOut } from "./fill-reservations.ts";
import { drawableOf, paidAhead } from "./free.ts";
import { inheritedUnder } from "./inherited-policy.ts";
import { leaseEnd, leaseUnder } from "./lease.ts";
import type { OutcomeOf } from "./outcome.ts";
import type { Policy } from "./policy.ts";
import { type Amounts, amountsOf, type Consumable, type Demand, isNothing, type Limits } from "./resource.ts";
import type { Portion } from "./share-portion.ts";
import { sharedPolicy } from "./shared-policy.ts";
import { raisedWish, sharedAt, wishOf } from "./sharing.ts";
import type { Allocation } from "./state.ts";
import { strategyAt, strategyNamed } from "./strategies/index.ts";
import { sightOfWish } from "./tranche-sight.ts";
import type { Sight } from "./tranches.ts";
import { type History, NO_HISTORY } from "./victims.ts";

/** A wish at the node that is to meet it, with the key and the hash under which its effect is remembered. */
export interface Weighing {
  readonly parent: Allocation;
  readonly wish: GrantWish;
  readonly key: string;
  readonly print: number;
  /** When it began to wait; absent: it did not. */
  readonly arrivedAtMs?: number;
  /** Where budget is divided by weight: what it gets of it. */
  readonly portion?: Pick<Portion, "give">;
}

/** Grants the whole, or where less can be had that much; it must fit. */
export function grant(
  draft: Draft,
  { parent, wish, key, print, arrivedAtMs, portion }: Weighing,
  demand: Demand,
): OutcomeOf<"opened" | "raised"> {
  const { reservationId } = wish;
  if (reservationId !== undefined) takeOut(draft, parent, reservationId, demand.wanted);
  const amounts = portion ? portion.give : available(parent, demand.wanted, sightOfWish(draft.state, parent, wish));
  const partial = amounts !== demand.wanted;
  const effect: EffectMark = { key, fingerprint: print, partial };
  draw(draft, parent, amounts);
  const divided = portion ? demand : reservedOf(draft, { parent, wish, demand, amounts });
  if (wish.type === "open") open(draft, { parent, wish, amounts, effect, arrivedAtMs, demand: divided });
  else raise(draft, wish, { amounts, effect, demand: divided });
  if (reservationId !== undefined) endIfUsedUp(draft, parent, reservationId);
  const kept = draft.state.effects.get(key);
  assert(kept !== undefined, "a grant keeps its answer");
  if (kept.kind === "opening") return withAccess(draft.state, openedAnswer(kept, draft.nowMs));
  assert(kept.kind === "answer" && kept.answer.type === "raised", "the answer of a grant is what it gave");
  return kept.answer;
}

interface Reserved {
  readonly parent: Allocation;
  readonly wish: GrantWish;
  readonly demand: Demand;
  readonly amounts: Amounts;
}

/** What comes out of a reservation is nobody's share: where budget is divided by weight, all of it is its minimum. */
function reservedOf({ state }: Draft, { parent, wish, demand, amounts }: Reserved): Demand | undefined {
  if (wish.reservationId === undefined || !sharedAt(state, parent)) return undefined;
  return { wanted: demand.wanted, min: amounts };
}

/** What was wanted, or as much of it as can be had. */
export function available(parent: Allocation, wanted: Amounts, sight: Sight): Amounts {
  const credits = least(wanted.credits, drawableOf(parent, "credits", sight));
  const toolCalls = least(wanted.toolCalls, drawableOf(parent, "toolCalls", sight));
  const whole = credits === wanted.credits && toolCalls === wanted.toolCalls;
  return whole ? wanted : { ...wanted, credits, toolCalls };
}

/** Raises pooled nodes, the highest first, until `node` itself has what is to be taken from it. */
export function draw(draft: Draft, node: Allocation, amounts: Amounts): void {
  if (node.pooled.length === 0 || !node.parent) return;
  const lack = (resource: Consumable) => {
    if (amounts[resource] === 0 || !node.pooled.includes(resource)) return 0 as Amount;
    const { available, debt } = node.books[resource];
    return Math.max(0, amounts[resource] + debt - available) as Amount;
  };
  const by = amountsOf({ credits: lack("credits"), toolCalls: lack("toolCalls") });
  if (isNothing(by)) return;
  const cost = (resource: Consumable) => monus(by[resource], paidAhead(node, resource));
  draw(draft, node.parent, amountsOf({ credits: cost("credits"), toolCalls: cost("toolCalls") }));
  emit(draft, { type: "limit_raised", atMs: draft.nowMs, allocationId: node.id, by, effect: undefined });
}

interface Raising {
  readonly amounts: Amounts;
  readonly effect: EffectMark;
  /** Where budget is divided by weight: what it wishes. */
  readonly demand: Demand | undefined;
}

function raise(draft: Draft, { allocationId }: RaiseWish, { amounts: by, effect, demand }: Raising): void {
  const node = draft.state.allocations.get(allocationId);
  const event = { type: "limit_raised", atMs: draft.nowMs, allocationId, by, effect } as const;
  if (node && demand) emit(draft, { ...event, wish: raisedWish(draft.state, node, demand) }, node);
  else emit(draft, event);
}

interface Opening extends Raising {
  readonly parent: Allocation;
  readonly wish: OpenWish;
  readonly amounts: Amounts;
  readonly effect: EffectMark;
  readonly arrivedAtMs: number | undefined;
}

function open(draft: Draft, { parent, wish, amounts, effect, arrivedAtMs, demand }: Opening): void {
  const { nowMs } = draft;
  const limits = limitsUnder(parent, wish.limits, amounts);
  const delegated = wish.holder !== undefined;
  const opened: AllocationOpened = {
    type: "allocation_opened",
    atMs: nowMs,
    allocationId: wish.allocationId,
    parentId: parent.id,
    name: wish.name,
    path: parent.pathTo(wish.name),
    depth: parent.depth + 1,
    kind: wish.kind,
    side: delegated ? "delegated" : "local",
    limits,
    pooled: wish.pooled.length === 0 ? NO_LIST : pooledOf(wish, limits),
    priority: wish.priority,
    weight: wish.weight,
    policy: policyUnder(parent, wish),
    deadlineAtMs: deadlineUnder(parent, nowMs, wish.limits.durationMs),
    peer: wish.holder,
    token: wish.token,
    epoch: 1,
    leaseTtlMs: wish.leaseTtlMs,
    leaseEndsAtMs: delegated ? leaseEnd(nowMs, leaseUnder(parent, nowMs, wish.leaseTtlMs)) : undefined,
    effect,
  };
  const event = wish.wrapUp ? { ...opened, wrapUp: wish.wrapUp } : opened;
  const named = wish.access === undefined || wish.access.length === 0 ? event : { ...event, access: wish.access };
  const history = historyFor(draft, parent, { wish, arrivedAtMs: arrivedAtMs ?? nowMs });
  if (!demand && history === NO_HISTORY) emit(draft, named, parent);
  else emit(draft, { ...named, ...(demand && { wish: wishOf(demand) }), ...history }, parent);
}

/** What it draws as it needs it: of what it may use, that of which it states no limit. */
function pooledOf({ pooled, limits }: OpenWish, given: Limits): readonly Consumable[] {
  return pooled.filter((resource) => limits[resource] === undefined && given[resource] !== undefined);
}

interface Arrived {
  readonly wish: OpenWish;
  readonly arrivedAtMs: number;
}

/** Where work may be preempted it is remembered since when it waited, and when what it is the next attempt of was preempted. */
function historyFor({ nowMs, state }: Draft, parent: Allocation, { wish, arrivedAtMs }: Arrived): History {
  if (!mayBePreempted(parent)) return NO_HISTORY;
  const firstAtMs = Math.min(wish.arrivedAtMs ?? arrivedAtMs, arrivedAtMs);
  const { preemptedAtMs } = attemptHistory(state, wish);
  return {
    ...(firstAtMs < nowMs && { arrivedAtMs: firstAtMs }),
    ...(preemptedAtMs !== undefined && { preemptedAtMs }),
  };
}

function mayBePreempted(parent: Allocation): boolean {
  return parent.policy.requestMayChoose === true || strategyNamed(strategyAt(parent))?.preempts === true;
}

/** A holder elsewhere does not see what is inherited from here: it goes with the grant. */
function policyUnder(parent: Allocation, { policy, holder }: OpenWish): Policy {
  if (holder === undefined) return policy;
  const inherited = inheritedUnder(parent);
  return inherited === undefined ? policy : sharedPolicy({ ...policy, inherited });
}
