/** Which tranches of a node a request may draw: by its base priority, and as the node's final step. */
import type { GrantWish } from "./command.ts";
import type { Allocation, BudgetState } from "./state.ts";
import { sightIn, sightOfRank } from "./tranche-draw.ts";
import { GENERAL, NO_TRANCHES, SEES, type Sight } from "./tranches.ts";
import { baseOf } from "./turn.ts";

/** Of a wish at the node that is to meet it. */
export function sightOfWish(state: BudgetState, parent: Allocation, wish: GrantWish): Sight {
  if (parent.tranches === NO_TRANCHES) return GENERAL;
  const raised = wish.type === "raise" ? state.allocations.get(wish.allocationId) : undefined;
  if (raised) return sightIn(parent, raised);
  const own = sightOfRank(baseOf(state, wish) ?? 0);
  return isFinalStep(wish) ? own | SEES.wrapUp : own;
}

/** Whether it asks to open the final step of its parent. */
export function isFinalStep(wish: GrantWish): boolean {
  return wish.type === "open" && wish.wrapUp === true;
}
