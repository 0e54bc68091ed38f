/**
 * How children of one node compete for what it has. One file per strategy; the engine asks, the strategy answers, purely. The strategy of
 * the node says in which order requests wait and who may go ahead of whom; the strategy of the request, where it may choose one, says only
 * whether it waits at all.
 */
import type { GrantWish } from "../command.ts";
import type { StrategyName } from "../policy.ts";
import type { Amounts, Demand, HeldResource, Resource } from "../resource.ts";
import type { QueueOrder } from "./order.ts";

/** A request that fits at a node where others wait before it. */
export interface Passing {
  readonly demand: Demand;
  /** What those before it need at least, together. */
  readonly claimed: Amounts;
  /** What can be had at the node. */
  readonly free: Amounts;
  /** Engine time at which it gives back what it holds, if it is granted now; undefined: that is not known. */
  readonly endsAtMs: number | undefined;
  /**
   * Engine time at which the first of those who need this resource will have room for it, by the known deadlines of what runs, at the
   * latest; undefined: that is not known.
   */
  roomAtMs(resource: HeldResource): number | undefined;
}

/** What of the policy in force an order depends on; complete, with its defaults. */
export interface OrderTerms {
  readonly agingStepMs: number;
}

export interface Strategy {
  readonly name: StrategyName;
  /** The order in which requests wait at a node of this strategy. */
  order(terms: OrderTerms): QueueOrder;
  /**
   * The resource because of which the request may not be granted before those that wait before it; undefined when it may. A larger claim
   * never permits what a smaller one forbids, and a larger demand never what a smaller one is refused.
   */
  blockedBy(passing: Passing): Resource | undefined;
  /** What becomes of a request that does not fit now but may later. */
  whenShort(wish: GrantWish): "deny" | "queue";
  /** Whether running work of lower priority may have to give way to it. Absent: no. */
  readonly preempts?: true;
}
