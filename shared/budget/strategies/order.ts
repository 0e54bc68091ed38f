/** The orders in which requests wait. An order never changes with time, so that a queue once sorted stays sorted. */
import type { Turn } from "../waiter.ts";

export interface QueueOrder {
  readonly name: "arrival" | "aged_priority";
  /** Of aged priorities: the time that raises by one level. 0: the order does not look at priorities. */
  readonly agingStepMs: number;
  /** Below zero when `a` has its turn before `b`; zero only for one and the same. */
  compare(a: Turn, b: Turn): number;
}

function byArrival(a: Turn, b: Turn): number {
  return a.arrivedAtMs - b.arrivedAtMs || a.sequence - b.sequence;
}

export const ARRIVAL_ORDER: QueueOrder = Object.freeze({ name: "arrival", agingStepMs: 0, compare: byArrival });

function byDeadline({ deadlineAtMs: a }: Turn, { deadlineAtMs: b }: Turn): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  return b === undefined ? -1 : a - b;
}

/**
 * Higher aged priority, then earlier deadline, then arrival. The aged priority at time t is base + ⌊t / step⌋ − ⌊arrival / step⌋: all who
 * wait rise together, whenever engine time passes a multiple of the step. ⌊t / step⌋ is the same for all, so what is compared is the rest.
 */
export function agedPriorityOrder(agingStepMs: number): QueueOrder {
  const level = ({ base, arrivedAtMs }: Turn) => base - Math.floor(arrivedAtMs / agingStepMs);
  const compare = (a: Turn, b: Turn) => level(b) - level(a) || byDeadline(a, b) || byArrival(a, b);
  return Object.freeze({ name: "aged_priority", agingStepMs, compare });
}
