/** Requests that wait at a node: what they claim, where they stand, and how their waiting ends. */
import { assert, LIMITS } from "#std";
import { least } from "./amount.ts";
import type { GrantWish } from "./command.ts";
import { conflictAt } from "./conflict.ts";
import { type Draft, emit, refuse, say } from "./draft.ts";
import type { RequestDequeued } from "./event.ts";
import { drawable, shortOf } from "./free.ts";
import type { Outcome, OutcomeOf } from "./outcome.ts";
import { type Amounts, type Demand, NOTHING, type Resource } from "./resource.ts";
import type { Allocation, BudgetState, Waiter } from "./state.ts";
import type { Strategy } from "./strategies/index.ts";

/** What those who wait need at least, together; it stops at the largest amount. */
export function claimedWith(claimed: Amounts, { demand: { min } }: Waiter): Amounts {
  const sum = (resource: Resource) =>
    least((claimed[resource] + min[resource]) as typeof min.credits, LIMITS.amountMax as typeof min.credits);
  return {
    credits: sum("credits"),
    toolCalls: sum("toolCalls"),
    branches: sum("branches"),
    memoryBytes: sum("memoryBytes"),
  };
}

/** The resource because of which a request that fits must wait behind all those who wait already. */
export function blockedAt(parent: Allocation, demand: Demand, strategy: Strategy): Resource | undefined {
  if (parent.waiters.length === 0) return undefined;
  const free = drawable(parent);
  let claimed = NOTHING;
  for (const waiter of parent.waiters) {
    claimed = claimedWith(claimed, waiter);
    const blocked = strategy.blockedBy({ demand, claimed, free });
    if (blocked) return blocked;
  }
  return undefined;
}

function parentOf(state: BudgetState, waiter: Waiter): Allocation {
  const parent = state.allocations.get(waiter.parentId);
  assert(parent !== undefined, "a request waits at an allocation that is known");
  return parent;
}

/** The present place of a request that waits. */
export function standing(draft: Draft, waiter: Waiter): OutcomeOf<"queued"> {
  const parent = parentOf(draft.state, waiter);
  const { min } = waiter.demand;
  const head = parent.waiters[0]?.demand.min ?? min;
  const resource = shortOf(parent, min) ?? shortOf(parent, head) ?? "credits";
  const position = parent.waiters.indexOf(waiter) + 1;
  const conflict = conflictAt({ node: parent, resource, wanted: min[resource], nowMs: draft.nowMs, position });
  return { type: "queued", conflict };
}

export function dequeue(draft: Draft, waiter: Waiter, cause: RequestDequeued["cause"]): void {
  emit(draft, { type: "request_dequeued", atMs: draft.nowMs, effectKey: waiter.effectKey, cause });
}

/** What waited has its answer. */
export function tell(draft: Draft, { caller, requestId }: GrantWish, outcome: Outcome): void {
  say(draft, { type: "decided", caller, requestId, outcome });
}

/** A request for more that has lost what it asked for: the allocation is closing. */
export function isIdle(state: BudgetState, { request }: Waiter): boolean {
  return request.type === "raise" && state.allocations.get(request.allocationId)?.state !== "open";
}

/** Ends a wait without a grant and tells the caller why. */
export function turnAway(draft: Draft, waiter: Waiter, cause: "timed_out" | "cancelled" | "refused"): void {
  const { request } = waiter;
  const parent = parentOf(draft.state, waiter);
  const refusal = cause === "timed_out" ? standing(draft, waiter) : undefined;
  dequeue(draft, waiter, cause);
  if (refusal) {
    tell(draft, request, refuse({ code: "conflict", conflict: { ...refusal.conflict, position: 0 } }));
    return;
  }
  const asked = request.type === "raise" ? draft.state.allocations.get(request.allocationId) : undefined;
  const { id: allocationId, path, closingReason = "closing" } = asked ?? parent;
  const reason = cause === "cancelled" ? "cancelled by the caller" : closingReason;
  tell(draft, request, refuse({ code: "closing", allocationId, path, reason }));
}
