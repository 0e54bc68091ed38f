/** How a preemption stands at an allocation, and who is told. */
import { owingBelow, pendingOf, type ReclaimPlace } from "./asked.ts";
import { type Draft, emit, say } from "./draft.ts";
import { isNothing } from "./resource.ts";
import type { Allocation, Reclaim } from "./state.ts";

export { pendingOf };

export function endIfMet(draft: Draft, node: Allocation, preemptionId: string): void {
  const reclaim = node.reclaims.get(preemptionId);
  if (reclaim && isNothing(pendingOf(reclaim))) endReclaim(draft, { node, reclaim }, "met");
}

/** Ends it, and before that what was asked for it below: should that come all the same, it is a return like any other. */
export function endReclaim(draft: Draft, place: ReclaimPlace, cause: "met" | "cancelled"): void {
  const { node, reclaim } = place;
  const end = (allocationId: string, preemptionId: string, why: typeof cause) =>
    emit(draft, { type: "reclaim_ended", atMs: draft.nowMs, preemptionId, allocationId, cause: why });
  for (const { child, preemptionId } of owingBelow(place)) end(child.id, preemptionId, "cancelled");
  end(node.id, reclaim.preemptionId, cause);
}

export function tellProgress(draft: Draft, node: Allocation, reclaim: Reclaim): void {
  const pending = pendingOf(reclaim);
  const { reclaimed, preemptionId } = reclaim;
  const { id: allocationId, returnedTotal } = node;
  const progress = { preemptionId, allocationId, reclaimed, pending, returnedTotal } as const;
  say(draft, { type: "reclaim_progress", ...progress, ended: isNothing(pending) });
}
