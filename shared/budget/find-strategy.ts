/** Which strategy decides about a request at a node. */
import type { StrategyName } from "./policy.ts";
import type { Allocation } from "./state.ts";
import type { StrategyInForce } from "./strategy-in-force.ts";

/** The nearest node, from this one up, whose policy names a strategy; undefined: none does. */
export function namesStrategy(node: Allocation): Allocation | undefined {
  let at: Allocation | undefined = node;
  while (at && at.policy.strategy === undefined) at = at.parent;
  return at;
}

/** For a request at `node`; `requested` is the strategy that the request may and does name. */
export function strategyInForce(node: Allocation, requested: StrategyName | undefined): StrategyInForce {
  if (requested !== undefined) return { name: requested, from: "request", path: "" };
  const at = namesStrategy(node);
  const name = at?.policy.strategy;
  if (!at || name === undefined) return { name: "FIRST_COME_FIRST_SERVED", from: "default", path: "" };
  return { name, from: at === node ? "own" : "inherited", path: at.path };
}
