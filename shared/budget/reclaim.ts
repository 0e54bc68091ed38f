/** How a preemption stands at an allocation, and who is told. */
import { owingBelow, pendingOf, type ReclaimPlace } from "./asked.ts";
import { type Draft, emit, noteRest, say } from "./draft.ts";
import { reclaimableWhilePaused } from "./free.ts";
import { lendAgain } from "./lend-kept.ts";
import { isNothing, leastAmounts, NOTHING } from "./resource.ts";
import type { Allocation, Reclaim } from "./state.ts";

export { pendingOf };

/** A SHRINK is over when it is met. A PAUSE stands until it is resumed, a STOP until its allocation is closed. */
export function endIfMet(draft: Draft, node: Allocation, preemptionId: string): void {
  const reclaim = node.reclaims.get(preemptionId);
  if (!reclaim) return;
  if (reclaim.mode !== "SHRINK") rest(draft, node, reclaim);
  else if (isNothing(pendingOf(reclaim))) endReclaim(draft, { node, reclaim }, "met");
}

/** A pause in which nothing is in flight any more has all that it can have: what was used meanwhile is not waited for. */
export function rest(draft: Draft, node: Allocation, reclaim: Reclaim): void {
  const { preemptionId, mode, reason, reclaimed } = reclaim;
  if (mode !== "PAUSE") return;
  if (reclaim.forOthers) noteRest(draft, node);
  const pending = pendingOf(reclaim);
  if (isNothing(pending) || !isNothing(leastAmounts(pending, reclaimableWhilePaused(node)))) return;
  const event = { type: "reclaim_requested", atMs: draft.nowMs, preemptionId, allocationId: node.id } as const;
  emit(draft, { ...event, mode, reason, wanted: reclaimed });
  const rested = node.reclaims.get(preemptionId);
  if (rested) tellProgress(draft, node, rested);
}

/** Ends it, and before that what was asked for it below: should that come all the same, it is a return like any other. */
export function endReclaim(draft: Draft, place: ReclaimPlace, cause: "met" | "cancelled"): void {
  const { node, reclaim } = place;
  const end = (allocationId: string, preemptionId: string, why: typeof cause) =>
    emit(draft, { type: "reclaim_ended", atMs: draft.nowMs, preemptionId, allocationId, cause: why });
  for (const { child, preemptionId } of owingBelow(place)) end(child.id, preemptionId, "cancelled");
  end(node.id, reclaim.preemptionId, cause);
  if (cause === "cancelled") lendAgain(draft, node);
}

/** `exhausted`: of a SHRINK, that nothing more is free, here or below. */
export function tellProgress(draft: Draft, node: Allocation, reclaim: Reclaim, exhausted = false): void {
  const pending = pendingOf(reclaim);
  const { reclaimed, preemptionId, mode } = reclaim;
  const { id: allocationId, returnedTotal } = node;
  const progress = { preemptionId, allocationId, reclaimed, pending, returnedTotal, exhausted } as const;
  say(draft, { type: "reclaim_progress", ...progress, ended: mode !== "STOP" && isNothing(pending) });
}

/** Nothing more comes of a STOP: its allocation is closed. */
export function tellStopped(draft: Draft, node: Allocation, { preemptionId, reclaimed }: Reclaim): void {
  const { id: allocationId, returnedTotal } = node;
  const left = { pending: NOTHING, exhausted: false } as const;
  const progress = { preemptionId, allocationId, reclaimed, returnedTotal, ...left } as const;
  say(draft, { type: "reclaim_progress", ...progress, ended: true });
}
