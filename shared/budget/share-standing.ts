/** What a request that does not get its minimum is told where budget is divided by weight: its share, and who holds more than theirs. */

import { LIMITS } from "#std";
import type { Amount } from "./amount.ts";
import { isConsumable } from "./free.ts";
import type { Conflict } from "./outcome.ts";
import { type Sharing, seatedAs } from "./share-portion.ts";
import type { SharedNode } from "./shared-node.ts";
import type { BudgetState } from "./state.ts";

/** The conflict with the share of the scarce resource; as it is where that is not divided, or the request's minimum has no room. */
export function withShare(state: BudgetState, shared: SharedNode, sharing: Sharing, conflict: Conflict): Conflict {
  const { resource } = conflict;
  if (resource === "duration" || resource === "access" || !isConsumable(resource) || !shared.divides(resource))
    return conflict;
  return seatedAs(state, shared, sharing, (seat) => {
    if (!seat) return conflict;
    const { least, most } = shared.pool.shareOf(seat);
    const share = { least: least[resource], most: most[resource], weight: seat.claim.weight };
    return { ...conflict, share, holders: above(shared, resource) };
  });
}

function above(shared: SharedNode, resource: "credits" | "toolCalls"): Conflict["holders"] {
  const gaps = shared.pool.aboveShare(resource, LIMITS.amountMax as Amount);
  return gaps.slice(0, LIMITS.conflictHoldersMax).flatMap(({ seat, amount }) => {
    const sitter = shared.sitterAt(seat);
    return sitter && "child" in sitter ? [{ id: sitter.child.id, path: sitter.child.path, amount }] : [];
  });
}
