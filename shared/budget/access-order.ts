/**
 * The order in which requests have their turn for a name. They may wait at several nodes under one scope, each with an order of its own. One
 * place for all of them keeps each of these orders: so no two can wait for each other, one for the name and the other for budget.
 */
import type { QueueOrder } from "./strategies/order.ts";
import type { Turn } from "./waiter.ts";

/** Compared from the first part to the last; the smaller has its turn before. */
export interface LinePlace {
  /** When it arrived; where priorities count, so much earlier as its priority is worth waiting time. */
  readonly atMs: number;
  /** Where deadlines count; else infinite. */
  readonly deadlineAtMs: number;
  readonly arrivedAtMs: number;
  readonly sequence: number;
}

/** The place of one whose node has this order. */
export function placeIn({ name, agingStepMs }: QueueOrder, turn: Turn): LinePlace {
  const { base, arrivedAtMs, deadlineAtMs = Number.POSITIVE_INFINITY, sequence } = turn;
  if (name === "arrival") return { atMs: arrivedAtMs, deadlineAtMs: Number.POSITIVE_INFINITY, arrivedAtMs, sequence };
  return { atMs: (Math.floor(arrivedAtMs / agingStepMs) - base) * agingStepMs, deadlineAtMs, arrivedAtMs, sequence };
}

/** Below zero when `a` has its turn before `b`. */
export function comparePlaces(a: LinePlace, b: LinePlace): number {
  if (a.atMs !== b.atMs) return a.atMs - b.atMs;
  if (a.deadlineAtMs !== b.deadlineAtMs) return a.deadlineAtMs < b.deadlineAtMs ? -1 : 1;
  return a.arrivedAtMs - b.arrivedAtMs || a.sequence - b.sequence;
}
