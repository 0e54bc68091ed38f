/**
 * Room that is kept for reservations that have not begun may be used by work that has surely ended by then (reservation-calendar.ts). It is
 * lent to nobody while a preemption of the node, or of one above, still wants such room: what is kept is not asked back (keep-reserved.ts),
 * and what the borrower had free of it would be, time and again.
 */
import { type Draft, note } from "./draft.ts";
import { isNothing } from "./resource.ts";
import { type Allocation, isUnder } from "./state.ts";

/** To be called when a preemption wants no more of such room: who waits for some is looked after at the end of the decision. */
export function lendAgain(draft: Draft, top: Allocation): void {
  const { allocations, reservations } = draft.state;
  for (const { allocationId } of reservations.standing()) {
    const node = allocations.get(allocationId);
    if (!node || node.waiters.size === 0 || isNothing(node.waiters.earmarks.ahead)) continue;
    if (isUnder(node, top)) note(draft, node);
  }
}
