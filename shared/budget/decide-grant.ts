/**
 * Grants: a new allocation, or more for an open one, in full, in part, later, or not. Checks in this order: the same request before,
 * the parent, the right to ask, the fields, the strategy, the bounds, and last whether it fits.
 */
import { assert, FingerprintPieces, LIMITS } from "#std";
import { accessViolations } from "./access-check.ts";
import { withAccess } from "./access-conflict.ts";
import { attemptHistory } from "./attempt.ts";
import { namesShort } from "./await-names.ts";
import { freed, serveWaiters } from "./cascade.ts";
import type { GrantWish, OpenWish, RaiseWish } from "./command.ts";
import { closingRefusal, notTakingWork, outOfTime, pausedRefusal } from "./conflict.ts";
import { deadlineUnder } from "./demand.ts";
import { DONE, type Draft, effectKey, emit, refuse } from "./draft.ts";
import { answerOf } from "./effect.ts";
import type { BudgetEvent } from "./event.ts";
import { waiterOf } from "./evolve-queue.ts";
import { strategyInForce } from "./find-strategy.ts";
import { addAmounts } from "./fingerprint-amounts.ts";
import { grant, type Weighing } from "./grant.ts";
import { leaseLeft } from "./lease.ts";
import type { Outcome, Refusal, Violation } from "./outcome.ts";
import { pausedBy } from "./paused.ts";
import { isEmptyPolicy, type Policy, statedBy, type Under } from "./policy.ts";
import { checkPolicy } from "./policy-check.ts";
import { claim } from "./preempt-for.ts";
import { pursueClaims } from "./pursue-claims.ts";
import { standing, turnAway } from "./queue.ts";
import { drawnFrom, useRefusal } from "./reservation-use.ts";
import { CONSUMABLES, RESOURCES } from "./resource.ts";
import { isTried, shadowOf, withShadow } from "./shadow.ts";
import { shareLater } from "./share-later.ts";
import { sharedAt } from "./sharing.ts";
import { behindOf, lackingAt, type Shortage, shortageOf } from "./shortage.ts";
import type { Allocation, BudgetState, Effect } from "./state.ts";
import { strategyAt, strategyNamed, unsupportedStrategy } from "./strategies/index.ts";
import type { VictimPlan } from "./strategies/victim-plan.ts";
import { takePortion } from "./take-portion.ts";
import { trancheViolations } from "./tranche-violations.ts";

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
  if (!draft.state.shadows.none && isTried(found, wish)) {
    return besideShadow(draft, { parent: found, wish, key, print }, refusal);
  }
  if (refusal) return refuse(refusal);
  return weigh(draft, { parent: found, wish: sinceFirstArrival(draft, wish), key, print });
}

/** The decision, and what a policy that is tried there would have made of the request; that is looked at first, on the same books. */
function besideShadow(draft: Draft, weighing: Weighing, refusal: Refusal | undefined): Outcome {
  const { parent, key } = weighing;
  const barred = notTakingWork(parent, draft.nowMs) ?? checkWish(draft, parent, weighing.wish, "shadow");
  // What no policy would take says nothing of this one.
  if (refusal && barred) return refuse(refusal);
  const wish = sinceFirstArrival(draft, weighing.wish);
  const result = shadowOf(draft, { asking: { parent, wish }, barred });
  const strategy = strategyInForce(parent, barred ? undefined : wish.strategy, "shadow");
  const outcome = refusal ? refuse(refusal) : weigh(draft, { ...weighing, wish });
  const isPlan = (event: BudgetEvent) => event.type === "claim_planned" && event.effectKey === key && event.round > 0;
  return withShadow(outcome, { result, strategy, preempts: draft.events.some(isPlan) });
}

/** The next attempt of work that was preempted has its turn as the first one had. */
function sinceFirstArrival({ state }: Draft, wish: GrantWish): GrantWish {
  const { arrivedAtMs } = attemptHistory(state, wish);
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
  return withAccess(draft.state, { ...answer, leaseTtlMs, decidedAtMs: draft.nowMs, repeated: true });
}

const pieces = new FingerprintPieces();

/** What is absent leaves nothing between its commas: a short text is a quick hash. */
function fingerprintOf(wish: GrantWish): number {
  if (wish.type === "raise") {
    addAmounts(pieces.clear().text("raise|").text(wish.allocationId).text("|"), wish.by);
    addAmounts(pieces.text("|"), wish.min);
    return wish.reservationId === undefined ? pieces.sum() : pieces.text("|from|").text(wish.reservationId).sum();
  }
  const { limits: l, min, policy, pooled, priority, weight } = wish;
  pieces.clear().text("open|").text(wish.parentId).text("|").text(wish.kind).text("|");
  pieces.item(l.credits).item(l.toolCalls).item(l.branches).item(l.memoryBytes);
  pieces.item(l.durationMs).item(l.priorityBonus).number(l.emergencyReserve).text("|");
  if (l.wrapUpReserve !== undefined || wish.wrapUp) pieces.number(l.wrapUpReserve).text(wish.wrapUp ? "!|" : "|");
  addAmounts(pieces, min);
  pieces
    .text("|")
    .text(pooled.length === 0 ? "" : pooled.join())
    .text(",")
    .text(priority)
    .text(",")
    .item(weight);
  pieces.text(policyText(policy)).text("|").text(wish.name);
  if (wish.reservationId !== undefined) pieces.text("|from|").text(wish.reservationId);
  if (wish.strategy !== undefined) pieces.text("|by|").text(wish.strategy);
  return wish.access === undefined ? pieces.sum() : pieces.text(`|access|${JSON.stringify(wish.access)}`).sum();
}

function policyText(policy: Policy): string {
  if (isEmptyPolicy(policy)) return ",,,";
  const { strategy, requestMayChoose, queueLengthMax, queueWaitMsMax } = policy;
  const { agingStepMs, lowBudgetPercents, preemption, shadow } = policy;
  const tried = shadow === undefined ? "" : `,,,${JSON.stringify(shadow)}`;
  const rules = preemption === undefined ? tried : `,,${JSON.stringify(preemption)}${tried}`;
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

function checkWish(draft: Draft, parent: Allocation, wish: GrantWish, under: Under = "policy"): Refusal | undefined {
  if (wish.type === "open" && wish.byHolder && !parent.holders.has(wish.caller)) {
    return { code: "not_permitted", message: `${wish.caller} holds nothing under ${parent.path}` };
  }
  const violations =
    wish.type === "open" ? openViolations(draft.state, parent, wish) : raiseViolations(draft.state, wish);
  if (violations.length > 0) return { code: "invalid", violations };
  if (wish.type === "open" && hasNoTime(parent, wish, draft.nowMs)) return outOfTime(parent, draft.nowMs);
  if (wish.strategy !== undefined && statedBy(parent.policy, "requestMayChoose", under) !== true) {
    return {
      code: "not_permitted",
      message: `the policy of ${parent.path} does not let a request choose its strategy`,
    };
  }
  const strategy = wish.strategy ?? strategyAt(parent, under);
  if (!strategyNamed(strategy)) return { code: "unsupported", message: unsupportedStrategy(strategy) };
  const policy = wish.type === "open" ? checkPolicy(wish.policy) : undefined;
  return policy ?? useRefusal(draft.state, parent, wish, draft.nowMs) ?? checkBounds(draft.state, parent);
}

function openViolations({ names }: BudgetState, parent: Allocation, wish: OpenWish): Violation[] {
  const found: Violation[] = wish.access === undefined ? [] : accessViolations(names, parent, wish.access);
  const { limits, min } = wish;
  for (const resource of CONSUMABLES) {
    if (min[resource] > (limits[resource] ?? LIMITS.amountMax)) {
      found.push({ field: `min.${resource}`, message: `must not exceed the limit asked for (${limits[resource]})` });
    }
  }
  const carving = trancheViolations(parent, wish);
  if (carving.length > 0) found.push(...carving);
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

/** What stands in the way is looked for in shortage.ts: whatever is decided there is also decided for a policy that is tried (shadow.ts). */
function weigh(draft: Draft, weighing: Weighing): Outcome {
  const { parent, wish } = weighing;
  const behind = behindOf(draft, weighing);
  const { demand, ahead } = behind;
  const names = namesShort(draft, weighing, behind);
  if (names) return names.type === "refused" ? refuse(names.refusal) : wait(draft, weighing, names);
  const shared = wish.reservationId === undefined ? sharedAt(draft.state, parent) : undefined;
  const portion = shared && takePortion(draft, shared, { wish, demand, claimed: ahead.claimed });
  const resource = portion ? portion.short : lackingAt(draft, weighing, behind);
  if (resource === undefined) {
    const given =
      wish.reservationId === undefined ? demand : drawnFrom(draft, parent, { wish, demand, claimed: ahead.claimed });
    const answer = grant(draft, portion ? { ...weighing, portion } : weighing, given);
    // What it still lacks of its share is asked back at the end of the decision.
    if (portion) shareLater(draft, parent);
    const raised = wish.type === "raise" && draft.state.allocations.get(wish.allocationId);
    if (raised) freed(draft, raised);
    return answer;
  }
  const shortage = shortageOf(draft, weighing, { behind, resource, shared });
  if (shortage.type === "refused") return refuse(shortage.refusal);
  const queued = wait(draft, weighing, shortage);
  if (portion) shareLater(draft, parent);
  return (shortage.plan && claimNow(draft, weighing, shortage.plan)) ?? queued;
}

/** The request begins to wait. */
function wait(
  draft: Draft,
  { parent, wish, key, print }: Weighing,
  { conflict, waitMs }: Extract<Shortage, { readonly type: "waits" }>,
): Outcome {
  const untilMs = draft.nowMs + waitMs;
  const event = { type: "request_queued", atMs: draft.nowMs, parentId: parent.id, effectKey: key } as const;
  emit(draft, { ...event, fingerprint: print, request: wish, untilMs }, parent);
  return { type: "queued", conflict };
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

export function decideCancelRequest(draft: Draft, caller: string, requestId: string): Outcome {
  const waiter = waiterOf(draft.state.effects.get(effectKey(caller, requestId)));
  if (!waiter) return refuse({ code: "not_found", subject: "waiting request", id: requestId });
  turnAway(draft, waiter, "cancelled");
  const parent = draft.state.allocations.get(waiter.parentId);
  if (parent) serveWaiters(draft, parent);
  return DONE;
}
