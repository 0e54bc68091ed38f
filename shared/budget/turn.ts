/** Where a request stands among those who wait, from the wish and what it wishes for. */
import { assert } from "#std";
import type { GrantWish } from "./command.ts";
import { deadlineUnder } from "./demand.ts";
import type { Allocation, BudgetState } from "./state.ts";
import { rankOfPriority, type Turn } from "./waiter.ts";

/** The turn of a wish that comes to wait at `parent` at this time. */
export function turnOf(state: BudgetState, parent: Allocation, wish: GrantWish, atMs: number): Turn {
  const arrivedAtMs = Math.min(wish.arrivedAtMs ?? atMs, atMs);
  const sequence = state.waiterSequence + 1;
  const base = baseOf(state, wish);
  assert(base !== undefined, "what is to be raised is known");
  const deadlineAtMs =
    wish.type === "open"
      ? deadlineUnder(parent, arrivedAtMs, wish.limits.durationMs)
      : state.allocations.get(wish.allocationId)?.deadlineAtMs;
  return { base, arrivedAtMs, deadlineAtMs, sequence };
}

/** The rank of its base priority: its own, or that of the allocation to be raised; undefined when that is not known. */
export function baseOf({ allocations }: BudgetState, wish: GrantWish): number | undefined {
  const priority = wish.type === "open" ? wish.priority : allocations.get(wish.allocationId)?.priority;
  return priority && rankOfPriority(priority);
}
