/** Where the allocations, holds and waiters of a state stand among the parts of a snapshot. */
import { assert } from "#std";
import type { Place } from "./snapshot-part.ts";
import type { Allocation, BudgetState, Hold, Waiter } from "./state.ts";

export interface Places {
  readonly allocations: ReadonlyMap<Allocation, Place>;
  readonly holds: ReadonlyMap<Hold, Place>;
  /** In the order of their places. */
  readonly waiters: ReadonlyMap<Waiter, Place>;
}

export function placesOf(state: BudgetState): Places {
  const allocations = new Map<Allocation, Place>();
  const waiters = new Map<Waiter, Place>();
  for (const node of state.allocations.values()) {
    allocations.set(node, allocations.size);
    for (const waiter of node.waiters) waiters.set(waiter, waiters.size);
  }
  const holds = new Map<Hold, Place>();
  for (const hold of state.holds.values()) holds.set(hold, holds.size);
  return { allocations, holds, waiters };
}

/** The place of an allocation, which must be known. */
export function placeOf({ allocations }: Places, node: Allocation): Place {
  const place = allocations.get(node);
  assert(place !== undefined, `${node.path} is referred to and not known`);
  return place;
}
