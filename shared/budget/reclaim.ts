/** How a preemption stands at an allocation, and who is told. */
import { type Draft, emit } from "./draft.ts";
import { type Amounts, isNothing, monusAmounts } from "./resource.ts";
import type { Allocation, Reclaim } from "./state.ts";

export function pendingOf(reclaim: Reclaim): Amounts {
  return monusAmounts(reclaim.wanted, reclaim.reclaimed);
}

export function endIfMet(draft: Draft, node: Allocation, preemptionId: string): void {
  const reclaim = node.reclaims.get(preemptionId);
  if (!reclaim || !isNothing(pendingOf(reclaim))) return;
  const event = { type: "reclaim_ended", atMs: draft.nowMs, preemptionId, allocationId: node.id } as const;
  emit(draft, { ...event, cause: "met" });
}

export function tellProgress(draft: Draft, node: Allocation, reclaim: Reclaim): void {
  const pending = pendingOf(reclaim);
  const { reclaimed, preemptionId } = reclaim;
  const { id: allocationId, returnedTotal } = node;
  const progress = { preemptionId, allocationId, reclaimed, pending, returnedTotal } as const;
  draft.messages.push({ type: "reclaim_progress", ...progress, ended: isNothing(pending) });
}

/** Name of what a preemption asks of one delegated descendant. */
export function nestedId(preemptionId: string, child: Allocation): string {
  return `${preemptionId}/${child.id}`;
}
