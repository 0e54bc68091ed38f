/**
 * Grants: a new allocation, or more for an open one, in full, in part, later, or not. Checks in this order: the same request before,
 * the parent, the right to ask, the fields, the strategy, the bounds, and last whether it fits.
 */
import { assert, fingerprint, LIMITS } from "#std";
import { freed, serveWaiters } from "./cascade.ts";
import type { GrantWish, OpenWish, RaiseWish } from "./command.ts";
import { closingRefusal, conflictAt, notTakingWork, outOfTime } from "./conflict.ts";
import { demandOf } from "./demand.ts";
import { DONE, type Draft, effectKey, emit, refuse } from "./draft.ts";
import { answerOf } from "./effect.ts";
import { waiterOf } from "./evolve-queue.ts";
import { shortOf } from "./free.ts";
import { deadlineUnder, grant, type Weighing } from "./grant.ts";
import { leaseLeft } from "./lease.ts";
import type { Outcome, Refusal, Violation } from "./outcome.ts";
import type { Policy } from "./policy.ts";
import { blockedAt, standing, turnAway } from "./queue.ts";
import { type Amounts, type Limits, RESOURCES } from "./resource.ts";
import type { Allocation, BudgetState, Effect } from "./state.ts";
import { strategyAt, strategyNamed, unsupportedStrategy } from "./strategies/index.ts";

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
  return weigh(draft, { parent: found, wish, key, print });
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

/** What is absent leaves nothing between its commas: a short text is a quick hash. */
function fingerprintOf(wish: GrantWish): number {
  if (wish.type === "raise") return fingerprint(`raise|${wish.allocationId}|${amounts(wish.by)}|${amounts(wish.min)}`);
  const { limits, min, policy, pooled, priority, weight } = wish;
  const parts = `${limitsText(limits)}|${amounts(min)}|${pooled},${priority},${weight},${policyText(policy)}`;
  return fingerprint(`open|${wish.parentId}|${wish.kind}|${parts}|${wish.name}`);
}

function limitsText(l: Limits): string {
  const shared = `${l.credits ?? ""},${l.toolCalls ?? ""},${l.branches ?? ""},${l.memoryBytes ?? ""}`;
  return `${shared},${l.durationMs ?? ""},${l.priorityBonus ?? ""},${l.emergencyReserve ?? ""}`;
}

function amounts(a: Amounts): string {
  return `${a.credits},${a.toolCalls},${a.branches},${a.memoryBytes}`;
}

function policyText({ strategy, requestMayChoose, queueLengthMax, queueWaitMsMax }: Policy): string {
  return `${strategy ?? ""},${requestMayChoose ?? ""},${queueLengthMax ?? ""},${queueWaitMsMax ?? ""}`;
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
  return node.parent;
}

function checkWish(draft: Draft, parent: Allocation, wish: GrantWish): Refusal | undefined {
  if (wish.type === "open" && wish.byHolder && !parent.holders.has(wish.caller)) {
    return { code: "not_permitted", message: `${wish.caller} holds nothing under ${parent.path}` };
  }
  const violations = wish.type === "open" ? openViolations(parent, wish) : raiseViolations(draft.state, wish);
  if (violations.length > 0) return { code: "invalid", violations };
  if (wish.type === "open" && hasNoTime(parent, wish, draft.nowMs)) return outOfTime(parent, draft.nowMs);
  const strategy = wish.strategy ?? strategyAt(parent);
  if (wish.strategy !== undefined && parent.policy.requestMayChoose !== true) {
    return {
      code: "not_permitted",
      message: `the policy of ${parent.path} does not let a request choose its strategy`,
    };
  }
  const own = wish.type === "open" ? wish.policy.strategy : undefined;
  for (const name of [strategy, own ?? strategy]) {
    if (!strategyNamed(name)) return { code: "unsupported", message: unsupportedStrategy(name) };
  }
  return checkBounds(draft.state, parent);
}

function openViolations(parent: Allocation, wish: OpenWish): Violation[] {
  const found: Violation[] = [];
  const { limits, min } = wish;
  for (const resource of ["credits", "toolCalls"] as const) {
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
  if (!(wish.weight > 0 && wish.weight <= LIMITS.weightMax)) {
    found.push({ field: "weight", message: `must be above 0 and at most ${LIMITS.weightMax}` });
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
  const resource = shortOf(parent, demand.min) ?? blockedAt(parent, demand, strategy);
  if (resource === undefined) {
    const answer = grant(draft, weighing, demand);
    const raised = wish.type === "raise" && draft.state.allocations.get(wish.allocationId);
    if (raised) freed(draft, raised);
    return answer;
  }
  const conflict = conflictAt({ node: parent, resource, wanted: demand.min[resource], nowMs: draft.nowMs });
  // Whoever draws from above does not wait below: room that comes free is not told there.
  const mayWait = parent.pooled.length === 0 && strategy.whenShort(wish) === "queue";
  if (conflict.never || !mayWait) return refuse({ code: "conflict", conflict });
  const lengthMax = parent.policy.queueLengthMax ?? LIMITS.queueLengthMax;
  if (parent.waiters.length >= lengthMax) {
    const message = `${lengthMax} requests already wait at ${parent.path}`;
    return refuse({ code: "too_many", message, retryAfterMs: LIMITS.retryAfterMs });
  }
  const waitMs = Math.min(wish.waitMs, parent.policy.queueWaitMsMax ?? LIMITS.queueWaitMsMax);
  const untilMs = draft.nowMs + waitMs;
  const event = { type: "request_queued", atMs: draft.nowMs, parentId: parent.id, effectKey: key } as const;
  emit(draft, { ...event, fingerprint: print, request: wish, untilMs });
  return { type: "queued", conflict: { ...conflict, position: parent.waiters.length } };
}

export function decideCancelRequest(draft: Draft, caller: string, requestId: string): Outcome {
  const waiter = waiterOf(draft.state.effects.get(effectKey(caller, requestId)));
  if (!waiter) return refuse({ code: "not_found", subject: "waiting request", id: requestId });
  turnAway(draft, waiter, "cancelled");
  const parent = draft.state.allocations.get(waiter.parentId);
  if (parent) serveWaiters(draft, parent);
  return DONE;
}
