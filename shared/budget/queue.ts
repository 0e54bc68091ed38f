/** Requests that wait at a node: where they stand, and how their waiting ends. */
import { assert } from "#std";
import { claimWords } from "./claim-words.ts";
import type { GrantWish } from "./command.ts";
import { conflictAt } from "./conflict.ts";
import { type Draft, effectKey, emit, refuse, say } from "./draft.ts";
import type { RequestDequeued } from "./event.ts";
import { shortOf } from "./free.ts";
import type { Outcome, OutcomeOf } from "./outcome.ts";
import { withShare } from "./share-standing.ts";
import { sharedAt } from "./sharing.ts";
import type { Allocation, BudgetState, Waiter } from "./state.ts";
import { withdrawClaim } from "./withdraw-claim.ts";

function parentOf(state: BudgetState, waiter: Waiter): Allocation {
  const parent = state.allocations.get(waiter.parentId);
  assert(parent !== undefined, "a request waits at an allocation that is known");
  return parent;
}

/** The present place of a request that waits. */
export function standing(draft: Draft, waiter: Waiter): OutcomeOf<"queued"> {
  const node = parentOf(draft.state, waiter);
  const { min } = waiter.demand;
  const [head] = node.waiters;
  const resource = shortOf(node, min) ?? (head && shortOf(node, head.demand.min)) ?? "credits";
  const { rank, claimed } = node.waiters.before(waiter);
  const place = { position: rank + 1, claimed: claimed[resource] } as const;
  const wanted = min[resource];
  const { request: wish } = waiter;
  const found = conflictAt({ node, resource, wanted, nowMs: draft.nowMs, wish, ...place });
  const shared = sharedAt(draft.state, node);
  const sharing = { wish, demand: waiter.demand, claimed, waiter };
  const conflict = shared ? withShare(draft.state, shared, sharing, found) : found;
  const preemption = claimWords(node, waiter);
  return { type: "queued", conflict: preemption === undefined ? conflict : { ...conflict, preemption } };
}

export function dequeue(draft: Draft, waiter: Waiter, cause: RequestDequeued["cause"]): void {
  withdrawClaim(draft, waiter);
  emit(draft, { type: "request_dequeued", atMs: draft.nowMs, effectKey: waiter.effectKey, cause });
}

/** What waited has its answer. */
export function tell(draft: Draft, { caller, requestId }: GrantWish, outcome: Outcome): void {
  const { deciding } = draft;
  if (deciding && deciding.key === effectKey(caller, requestId)) deciding.outcome = outcome;
  else say(draft, { type: "decided", caller, requestId, outcome });
}

/** Those who wait for more of an allocation that closes wait in vain, and would be in the way of others. */
export function turnAwayRaises(draft: Draft, { id, parent }: Allocation): void {
  if (!parent || parent.waiters.size === 0) return;
  for (const waiter of parent.waiters.raisesOf(id)) turnAway(draft, waiter, "refused");
}

/** Ends a wait without a grant and tells the caller why. */
export function turnAway(draft: Draft, waiter: Waiter, cause: "timed_out" | "cancelled" | "refused"): void {
  const { request } = waiter;
  const parent = parentOf(draft.state, waiter);
  const refusal = cause === "timed_out" ? standing(draft, waiter) : undefined;
  dequeue(draft, waiter, cause);
  if (refusal) {
    const waitedMs = draft.nowMs - waiter.arrivedAtMs;
    tell(draft, request, refuse({ code: "conflict", conflict: { ...refusal.conflict, position: 0, waitedMs } }));
    return;
  }
  const asked = request.type === "raise" ? draft.state.allocations.get(request.allocationId) : undefined;
  const { id: allocationId, path, closingReason = "closing" } = asked ?? parent;
  const reason = cause === "cancelled" ? "cancelled by the caller" : closingReason;
  tell(draft, request, refuse({ code: "closing", allocationId, path, reason }));
}
