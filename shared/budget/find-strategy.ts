/** Which strategy decides about a request at a node. */
import type { StrategyName, Under } from "./policy.ts";
import type { Allocation } from "./state.ts";
import type { StrategyInForce } from "./strategy-in-force.ts";

/** The nearest node, from this one up, whose policy names a strategy; undefined: none does. */
export function namesStrategy(node: Allocation, under: Under = "policy"): Allocation | undefined {
  let at: Allocation | undefined = node;
  while (at && ownStrategy(at, under) === undefined) at = at.parent;
  return at;
}

function ownStrategy(node: Allocation, under: Under): StrategyName | undefined {
  const { policy, parent } = node;
  const own = (under === "shadow" ? policy.shadow?.strategy : undefined) ?? policy.strategy;
  return own ?? (parent ? undefined : policy.inherited?.strategy);
}

/** What such a node names: its own strategy, or what a grant inherits from another daemon, with the path of who names it there. */
export function strategyNamedBy(node: Allocation, under: Under = "policy"): Named | undefined {
  const name = ownStrategy(node, under);
  if (name === undefined) return undefined;
  const { policy } = node;
  const isOwn = policy.strategy !== undefined || (under === "shadow" && policy.shadow?.strategy !== undefined);
  return { name, isOwn, path: isOwn ? node.path : (policy.inherited?.strategyPath ?? "") };
}

export interface Named {
  readonly name: StrategyName;
  /** Its own policy names it. */
  readonly isOwn: boolean;
  readonly path: string;
}

/** For a request at `node`; `requested` is the strategy that the request may and does name. */
export function strategyInForce(
  node: Allocation,
  requested: StrategyName | undefined,
  under: Under = "policy",
): StrategyInForce {
  if (requested !== undefined) return { name: requested, from: "request", path: "" };
  const at = namesStrategy(node, under);
  const named = at && strategyNamedBy(at, under);
  if (!named) return { name: "FIRST_COME_FIRST_SERVED", from: "default", path: "" };
  return { name: named.name, from: at === node && named.isOwn ? "own" : "inherited", path: named.path };
}
