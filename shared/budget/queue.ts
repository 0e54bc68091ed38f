/** Requests that wait at a node: where they stand, and how their waiting ends. */
import { assert } from "#std";
import { namesAwaitedBy } from "./access-conflict.ts";
import { claimWords } from "./claim-words.ts";
import type { GrantWish, RaiseWish } from "./command.ts";
import { conflictAt } from "./conflict.ts";
import { type Draft, effectKey, emit, noteRest, refuse, say } from "./draft.ts";
import type { RequestDequeued } from "./event.ts";
import { waiterOf } from "./evolve-queue.ts";
import { strategyInForce } from "./find-strategy.ts";
import { shortOf } from "./free.ts";
import type { Outcome, OutcomeOf } from "./outcome.ts";
import { RESOURCES } from "./resource.ts";
import { withShare } from "./share-standing.ts";
import { sharedAt } from "./sharing.ts";
import type { Allocation, BudgetState, Waiter } from "./state.ts";
import { sightOfWish } from "./tranche-sight.ts";
import { withdrawClaim } from "./withdraw-claim.ts";

/** Whether a wish is that of paused work to go on. */
export function isToGoOn(wish: GrantWish): wish is RaiseWish & { readonly resumes: string } {
  return wish.type === "raise" && wish.resumes !== undefined;
}

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
  const sight = sightOfWish(draft.state, node, waiter.request);
  const headShort = head && shortOf(node, head.demand.min, sightOfWish(draft.state, node, head.request));
  const reserved = waiter.request.reservationId === undefined ? undefined : RESOURCES.find((one) => min[one] > 0);
  const resource = reserved ?? shortOf(node, min, sight) ?? headShort ?? "credits";
  const { rank, claimed } = node.waiters.before(waiter);
  const place = { position: rank + 1, claimed: claimed[resource] } as const;
  const wanted = min[resource];
  const { request: wish } = waiter;
  const names = namesAwaitedBy(draft.state, waiter, draft.nowMs);
  if (names) {
    const strategy = strategyInForce(node, wish.strategy);
    return { type: "queued", conflict: { ...names, strategy, position: rank + 1 } };
  }
  const found = conflictAt({ node, resource, wanted, nowMs: draft.nowMs, wish, sight, ...place });
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
export function tell(draft: Draft, wish: GrantWish, outcome: Outcome): void {
  const { caller, requestId } = wish;
  const { deciding } = draft;
  // Nobody asked for it.
  if (isToGoOn(wish)) return;
  if (deciding && deciding.key === effectKey(caller, requestId)) deciding.outcome = outcome;
  else say(draft, { type: "decided", caller, requestId, outcome });
}

/** Whether the request waits, anywhere. */
export function waitsFor(
  { effects }: BudgetState,
  { caller, requestId }: Pick<GrantWish, "caller" | "requestId">,
): boolean {
  return waiterOf(effects.get(effectKey(caller, requestId))) !== undefined;
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
  if (isToGoOn(request)) {
    // It stands still all the same, and waits anew.
    const paused = draft.state.allocations.get(request.allocationId);
    if (paused) noteRest(draft, paused);
    return;
  }
  if (refusal) {
    const waitedMs = draft.nowMs - waiter.arrivedAtMs;
    tell(draft, request, refuse({ code: "conflict", conflict: { ...refusal.conflict, position: 0, waitedMs } }));
    return;
  }
  const asked = request.type === "raise" ? draft.state.allocations.get(request.allocationId) : undefined;
  if (cause === "cancelled") {
    const wanted = request.type === "open" ? `${parent.path}/${request.name}` : (asked ?? parent).path;
    tell(draft, request, refuse({ code: "withdrawn", path: wanted }));
    return;
  }
  const { id: allocationId, path, closingReason: reason = "closing" } = asked ?? parent;
  tell(draft, request, refuse({ code: "closing", allocationId, path, reason }));
}
