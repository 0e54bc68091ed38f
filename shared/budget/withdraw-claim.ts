/** A claim ends, for its request does not wait any longer: what it still asks of others is asked no more. */
import { type Draft, note, noteRest } from "./draft.ts";
import { endReclaim, pendingOf } from "./reclaim.ts";
import { isNothing } from "./resource.ts";
import type { Waiter } from "./state.ts";

/** To be called before the request leaves the queue. Who is being stopped for it cannot be called back. */
export function withdrawClaim(draft: Draft, waiter: Waiter): void {
  const node = draft.state.allocations.get(waiter.parentId);
  const claim = node?.waiters.claims.get(waiter.effectKey);
  if (!node || !claim) return;
  for (const { allocationId, preemptionId, mode } of claim.givers) {
    const child = draft.state.allocations.get(allocationId);
    const reclaim = child?.reclaims.get(preemptionId);
    if (!child || !reclaim) continue;
    // Who stands still need not do so for this one any more.
    if (mode === "PAUSE") noteRest(draft, child);
    if (mode !== "SHRINK") continue;
    endReclaim(draft, { node: child, reclaim }, isNothing(pendingOf(reclaim)) ? "met" : "cancelled");
  }
  note(draft, node);
}
