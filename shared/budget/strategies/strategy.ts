/** How children of one node compete for what it has. One file per strategy; the engine asks, the strategy answers, purely. */
import type { GrantWish } from "../command.ts";
import type { StrategyName } from "../policy.ts";
import type { Amounts, Demand, Resource } from "../resource.ts";

/** A request that fits at a node where others wait before it. */
export interface Passing {
  readonly demand: Demand;
  /** What those before it need at least, together. */
  readonly claimed: Amounts;
  /** What can be had at the node. */
  readonly free: Amounts;
}

export interface Strategy {
  readonly name: StrategyName;
  /**
   * The resource because of which the request may not be granted before those that wait before it; undefined when it may. A larger claim
   * never permits what a smaller one forbids.
   */
  blockedBy(passing: Passing): Resource | undefined;
  /** What becomes of a request that does not fit now but may later. */
  whenShort(wish: GrantWish): "deny" | "queue";
}
