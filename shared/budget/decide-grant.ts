/**
 * Grants: a new allocation, or more for an open one, in full, in part, later, or not. Checks in this order: the same request before,
 * the parent, the right to ask, the fields, the strategy, the bounds, and last whether it fits.
 */
import { assert, FingerprintPieces, LIMITS } from "#std";
import { freed, serveWaiters } from "./cascade.ts";
import { planWords } from "./claim-words.ts";
import type { GrantWish, OpenWish, RaiseWish } from "./command.ts";
import { closingRefusal, conflictAt, notTakingWork, outOfTime, pausedRefusal } from "./conflict.ts";
import { deadlineUnder, demandOf } from "./demand.ts";
import { DONE, type Draft, effectKey, emit, refuse } from "./draft.ts";
import { answerOf } from "./effect.ts";
import { waiterOf } from "./evolve-queue.ts";
import { addAmounts } from "./fingerprint-amounts.ts";
import { shortOf } from "./free.ts";
import { endsAtMs, Gate } from "./going-ahead.ts";
import { grant, type Weighing } from "./grant.ts";
import { leaseLeft } from "./lease.ts";
import type { Outcome, Refusal, Violation } from "./outcome.ts";
import { pausedBy } from "./paused.ts";
import { isEmptyPolicy, type Policy } from "./policy.ts";
import { checkPolicy } from "./policy-check.ts";
import { claim, mayPreempt, planFor } from "./preempt-for.ts";
import { pursueClaims } from "./pursue-claims.ts";
import { standing, turnAway } from "./queue.ts";
import { CONSUMABLES, type Demand, NOTHING, RESOURCES, type Resource } from "./resource.ts";
import { shareLater } from "./share-later.ts";
import { withShare } from "./share-standing.ts";
import { sharedAt } from "./sharing.ts";
import type { Allocation, BudgetState, Effect } from "./state.ts";
import { strategyAt, strategyNamed, unsupportedStrategy } from "./strategies/index.ts";
import type { VictimPlan } from "./strategies/victim-plan.ts";
import { takePortion } from "./take-portion.ts";
import { baseOf, turnOf } from "./turn.ts";
import { type Ahead, NOBODY } from "./wait-queue.ts";

export function decideGrant(draft: Draft, wish: GrantWish): Outcome {
  const key = effectKey(wish.caller, wish.requestId);
  const print = fingerprintOf(wish);
  const known = draft.state.effects.get(key);
  if (known) {
    if (known.fingerprint !== print) return refuse({ code: "request_reused", requestId: wish.requestId });
    return answerAgain(draft, known);
  }
  const found = wish.type === "open" ? parentOf(draft.state, wish.parentId) : raisable(draft.state, wish);
  if ("code" in found) return refuse(found);
  const refusal = notTakingWork(found, draft.nowMs) ?? checkWish(draft, found, wish);
  if (refusal) return refuse(refusal);
  return weigh(draft, { parent: found, wish: sinceFirstArrival(draft, wish), key, print });
}

/** The next attempt of work that was preempted has its turn as the first one had. */
function sinceFirstArrival({ state }: Draft, wish: GrantWish): GrantWish {
  if (wish.type !== "open" || wish.attemptOf === undefined) return wish;
  const arrivedAtMs = state.victims.historyOf(wish.attemptOf)?.arrivedAtMs;
  return arrivedAtMs === undefined ? wish : { ...wish, arrivedAtMs };
}

/** The answer of an earlier, equal request: where it waits, or what it was granted. */
function answerAgain(draft: Draft, known: Effect): Outcome {
  const waiter = waiterOf(known);
  if (waiter) return standing(draft, waiter);
  const answer = answerOf(known);
  assert(answer !== undefined, "an effect is an answer or a waiter");
  if (answer.type !== "opened") return { ...answer, repeated: true };
  // The holder counts its lease from this request, the parent from the first.
  const node = draft.state.allocations.get(answer.allocationId);
  const leaseTtlMs = node ? leaseLeft(node, draft.nowMs) : 0;
  return { ...answer, leaseTtlMs, decidedAtMs: draft.nowMs, repeated: true };
}

const pieces = new FingerprintPieces();

/** What is absent leaves nothing between its commas: a short text is a quick hash. */
function fingerprintOf(wish: GrantWish): number {
  if (wish.type === "raise") {
    addAmounts(pieces.clear().text("raise|").text(wish.allocationId).text("|"), wish.by);
    addAmounts(pieces.text("|"), wish.min);
    return pieces.sum();
  }
  const { limits: l, min, policy, pooled, priority, weight } = wish;
  pieces.clear().text("open|").text(wish.parentId).text("|").text(wish.kind).text("|");
  pieces.item(l.credits).item(l.toolCalls).item(l.branches).item(l.memoryBytes);
  pieces.item(l.durationMs).item(l.priorityBonus).number(l.emergencyReserve).text("|");
  addAmounts(pieces, min);
  pieces
    .text("|")
    .text(pooled.length === 0 ? "" : pooled.join())
    .text(",")
    .text(priority)
    .text(",")
    .item(weight);
  return pieces.text(policyText(policy)).text("|").text(wish.name).sum();
}

function policyText(policy: Policy): string {
  if (isEmptyPolicy(policy)) return ",,,";
  const { strategy, requestMayChoose, queueLengthMax, queueWaitMsMax } = policy;
  const { agingStepMs, lowBudgetPercents, preemption } = policy;
  const rules = preemption === undefined ? "" : `,,${JSON.stringify(preemption)}`;
  const low = lowBudgetPercents === undefined ? rules : `,,${lowBudgetPercents}${rules}`;
  const aging = agingStepMs === undefined ? low : `,${agingStepMs}${low}`;
  return `${strategy ?? ""},${requestMayChoose ?? ""},${queueLengthMax ?? ""},${queueWaitMsMax ?? ""}${aging}`;
}

function parentOf(state: BudgetState, id: string): Allocation | Refusal {
  const parent = state.allocations.get(id);
  if (!parent) return { code: "not_found", subject: "parent allocation", id };
  if (parent.side === "delegated") {
    return { code: "not_permitted", message: `${parent.path} is held by ${parent.peer}; ask that daemon` };
  }
  return parent;
}

/** The parent of the allocation to be raised, if the caller may raise it. */
function raisable(state: BudgetState, wish: RaiseWish): Allocation | Refusal {
  const node = state.allocations.get(wish.allocationId);
  if (!node?.parent) return { code: "not_found", subject: "allocation", id: wish.allocationId };
  if (node.side === "delegated" && node.peer !== wish.caller) {
    return { code: "not_permitted", message: `${node.path} is held by another instance` };
  }
  if (wish.epoch !== undefined && wish.epoch !== node.epoch) {
    return { code: "stale_epoch", allocationId: node.id, currentEpoch: node.epoch };
  }
  if (node.state !== "open") return closingRefusal(node);
  const pause = pausedBy(node);
  return pause ? pausedRefusal(pause) : node.parent;
}

function checkWish(draft: Draft, parent: Allocation, wish: GrantWish): Refusal | undefined {
  if (wish.type === "open" && wish.byHolder && !parent.holders.has(wish.caller)) {
    return { code: "not_permitted", message: `${wish.caller} holds nothing under ${parent.path}` };
  }
  const violations = wish.type === "open" ? openViolations(parent, wish) : raiseViolations(draft.state, wish);
  if (violations.length > 0) return { code: "invalid", violations };
  if (wish.type === "open" && hasNoTime(parent, wish, draft.nowMs)) return outOfTime(parent, draft.nowMs);
  if (wish.strategy !== undefined && parent.policy.requestMayChoose !== true) {
    return {
      code: "not_permitted",
      message: `the policy of ${parent.path} does not let a request choose its strategy`,
    };
  }
  const strategy = wish.strategy ?? strategyAt(parent);
  if (!strategyNamed(strategy)) return { code: "unsupported", message: unsupportedStrategy(strategy) };
  const policy = wish.type === "open" ? checkPolicy(wish.policy) : undefined;
  return policy ?? checkBounds(draft.state, parent);
}

function openViolations(parent: Allocation, wish: OpenWish): Violation[] {
  const found: Violation[] = [];
  const { limits, min } = wish;
  for (const resource of CONSUMABLES) {
    if (min[resource] > (limits[resource] ?? LIMITS.amountMax)) {
      found.push({ field: `min.${resource}`, message: `must not exceed the limit asked for (${limits[resource]})` });
    }
  }
  const carved = (limits.priorityBonus ?? 0) + (limits.emergencyReserve ?? 0);
  if (carved > (limits.credits ?? 0)) {
    const message = "priority_bonus and emergency_reserve are parts of max_credits and must fit inside it";
    found.push({ field: "limits.priority_bonus", message });
  }
  if (limits.branches === LIMITS.amountMax) {
    found.push({
      field: "limits.branches",
      message: `must be below ${LIMITS.amountMax}: the branch itself takes a slot`,
    });
  }
  if (!(Number.isInteger(wish.weight) && wish.weight >= 1 && wish.weight <= LIMITS.weightMax)) {
    found.push({ field: "weight", message: `must be a whole number from 1 to ${LIMITS.weightMax}` });
  }
  if (parent.depth + 1 > LIMITS.treeDepthMax) {
    found.push({ field: "parent_allocation_id", message: `the tree is at most ${LIMITS.treeDepthMax} deep` });
  }
  return found;
}

function hasNoTime(parent: Allocation, { limits }: OpenWish, nowMs: number): boolean {
  const deadline = deadlineUnder(parent, nowMs, limits.durationMs);
  return deadline !== undefined && deadline <= nowMs;
}

function raiseViolations(state: BudgetState, { allocationId, by, min }: RaiseWish): Violation[] {
  const found: Violation[] = [];
  const granted = state.allocations.get(allocationId)?.grantedTotal;
  for (const resource of RESOURCES) {
    if (min[resource] > by[resource]) {
      found.push({ field: `min.${resource}`, message: "must not exceed the amount asked for" });
    }
    if (granted && granted[resource] + by[resource] > LIMITS.amountMax) {
      found.push({ field: `by.${resource}`, message: `all grants together would be above ${LIMITS.amountMax}` });
    }
  }
  return found;
}

function checkBounds(state: BudgetState, parent: Allocation): Refusal | undefined {
  const { retryAfterMs } = LIMITS;
  if (state.effects.size >= LIMITS.effectsMax) {
    const message = `${LIMITS.effectsMax} answers are being kept; wait until older requests have ended`;
    return { code: "too_many", message, retryAfterMs };
  }
  if (parent.children.size < LIMITS.childrenMax) return undefined;
  return { code: "too_many", message: `${parent.path} has ${LIMITS.childrenMax} open children`, retryAfterMs };
}

function weigh(draft: Draft, weighing: Weighing): Outcome {
  const { parent, wish, key, print } = weighing;
  const strategy = strategyNamed(wish.strategy ?? strategyAt(parent));
  assert(strategy !== undefined, "the strategy was checked before");
  const demand = demandOf(wish);
  const ahead =
    parent.waiters.size === 0 ? NOBODY : parent.waiters.before(turnOf(draft.state, parent, wish, draft.nowMs));
  const shared = sharedAt(draft.state, parent);
  const portion = shared && takePortion(draft, shared, { wish, demand, claimed: ahead.claimed });
  // What the decision leaves lacking is asked back at its end.
  if (portion && (portion.short === undefined || portion.share)) shareLater(draft, parent);
  const resource = portion
    ? portion.short
    : (shortOf(parent, demand.min) ?? blockedAt(draft, weighing, { demand, ahead }));
  if (resource === undefined) {
    const answer = grant(draft, portion ? { ...weighing, portion } : weighing, demand);
    // What it still lacks of its share is asked back at the end of the decision.
    if (portion) shareLater(draft, parent);
    const raised = wish.type === "raise" && draft.state.allocations.get(wish.allocationId);
    if (raised) freed(draft, raised);
    return answer;
  }
  // Whoever draws from above does not wait below: room that comes free is not told there.
  const mayWait = parent.pooled.length === 0 && strategy.whenShort(wish) === "queue";
  const place = mayWait ? { position: ahead.rank + 1, claimed: ahead.claimed[resource] } : {};
  const wanted = demand.min[resource];
  const found = conflictAt({ node: parent, resource, wanted, nowMs: draft.nowMs, wish, ...place });
  const sharing = { wish, demand, claimed: ahead.claimed };
  const conflict = shared ? withShare(draft.state, shared, sharing, found) : found;
  const plan = conflict.never || !mayPreempt(parent, wish) ? undefined : planNow(draft, weighing, { demand, ahead });
  const told = plan ? { ...conflict, preemption: planWords(plan) } : conflict;
  const waitsOn = mayWait || plan?.type === "plan";
  if (conflict.never || !waitsOn) return refuse({ code: "conflict", conflict: { ...told, position: 0 } });
  const lengthMax = parent.policy.queueLengthMax ?? LIMITS.queueLengthMax;
  if (parent.waiters.size >= lengthMax) {
    const message = `${lengthMax} requests already wait at ${parent.path}`;
    return refuse({ code: "too_many", message, retryAfterMs: LIMITS.retryAfterMs });
  }
  const waitMs = mayWait ? Math.min(wish.waitMs, parent.policy.queueWaitMsMax ?? LIMITS.queueWaitMsMax) : 0;
  const untilMs = draft.nowMs + waitMs;
  const event = { type: "request_queued", atMs: draft.nowMs, parentId: parent.id, effectKey: key } as const;
  emit(draft, { ...event, fingerprint: print, request: wish, untilMs }, parent);
  if (portion) shareLater(draft, parent);
  return (plan && claimNow(draft, weighing, plan)) ?? { type: "queued", conflict: told };
}

/** No preemption is named so: there is none for it yet. */
const NO_NAME = "\n";

/** Who would give way to a request that is short; to one that does not wait only what comes back at once. */
function planNow(draft: Draft, { parent, wish }: Weighing, { demand, ahead }: Behind): VictimPlan {
  const base = baseOf(draft.state, wish) ?? 0;
  const claiming = { node: parent, request: wish, base, min: demand.min, ahead, reserved: NOTHING, own: NO_NAME };
  return planFor(draft, claiming, wish.waitMs > 0 ? "all" : "at_once");
}

/** The request has begun to wait, and others give way to it; its answer when they do so at once. */
function claimNow(draft: Draft, { parent, key }: Weighing, plan: VictimPlan): Outcome | undefined {
  const waiter = waiterOf(draft.state.effects.get(key));
  assert(waiter !== undefined, "who has just begun to wait does");
  const deciding: NonNullable<Draft["deciding"]> = { key };
  draft.deciding = deciding;
  claim(draft, parent, { waiter, plan });
  pursueClaims(draft);
  draft.deciding = undefined;
  return deciding.outcome;
}

interface Behind {
  readonly demand: Demand;
  readonly ahead: Ahead;
}

/** The resource because of which a request that fits must wait behind those that wait already and have their turn before it. */
function blockedAt(
  { state, nowMs }: Draft,
  { parent, wish }: Weighing,
  { demand, ahead: { rank, claimed } }: Behind,
): Resource | undefined {
  if (rank === 0) return undefined;
  return new Gate(parent, nowMs).blockedBy({ demand, claimed, endsAtMs: endsAtMs(state, parent, wish, nowMs) });
}

export function decideCancelRequest(draft: Draft, caller: string, requestId: string): Outcome {
  const waiter = waiterOf(draft.state.effects.get(effectKey(caller, requestId)));
  if (!waiter) return refuse({ code: "not_found", subject: "waiting request", id: requestId });
  turnAway(draft, waiter, "cancelled");
  const parent = draft.state.allocations.get(waiter.parentId);
  if (parent) serveWaiters(draft, parent);
  return DONE;
}
