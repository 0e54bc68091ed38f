/**
 * A SHRINK and reservations: what is set aside for a reservation counts as used, and is not asked back; and what is granted out of one is
 * not taken by a SHRINK that was there before. STOP ends the reservations of what it stops, and below a PAUSE nobody uses any.
 */
import { answered, type Draft } from "./draft.ts";
import { endReclaim, pendingOf, tellProgress } from "./reclaim.ts";
import { markOf } from "./reservation-mark.ts";
import { type Amounts, addAmounts, isNothing, leastAmounts, NOTHING } from "./resource.ts";
import { shareLater } from "./share-later.ts";
import { type Allocation, type BudgetState, isUnder } from "./state.ts";

/** What is set aside for reservations, and kept for those that have not begun, at the node and at all below it whose books are here. */
export function reservedUnder({ allocations, reservations }: BudgetState, node: Allocation): Amounts {
  let reserved: Amounts = NOTHING;
  if (reservations.size === 0) return reserved;
  const seen = new Set<Allocation>();
  for (const { id, allocationId } of reservations.standing()) {
    const at = allocations.get(allocationId);
    if (!at || !(seen.has(at) || isUnder(at, node))) continue;
    const { earmarks } = at.waiters;
    reserved = addAmounts(reserved, earmarks.of(markOf(id)));
    // Kept for all of them together.
    if (!seen.has(at)) reserved = addAmounts(reserved, earmarks.ahead);
    seen.add(at);
  }
  return reserved;
}

/**
 * So much was used of a reservation of the node: whatever SHRINK of it, or of one above, waits still for such budget is over with what it
 * has, for what comes free next may be what was granted here. Who needs more asks again, and finds the books as they are then.
 */
export function endOlderShrinks(draft: Draft, node: Allocation, by: Amounts): void {
  for (let at: Allocation | undefined = node; at; at = at.parent) {
    for (const reclaim of [...at.reclaims.values()]) {
      if (reclaim.mode !== "SHRINK" || isNothing(leastAmounts(pendingOf(reclaim), by))) continue;
      endReclaim(draft, { node: at, reclaim }, "cancelled");
      tellProgress(draft, at, { ...reclaim, wanted: reclaim.reclaimed }, true);
      answered(draft, at, reclaim.preemptionId);
      if (at.parent) shareLater(draft, at.parent);
    }
  }
}
