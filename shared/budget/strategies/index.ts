/** The strategies by name. A strategy this version does not have is refused by name, never replaced by another. */
import type { StrategyName } from "../policy.ts";
import type { Allocation } from "../state.ts";
import { firstComeFirstServed } from "./first-come-first-served.ts";
import { queueAndWait } from "./queue-and-wait.ts";
import type { Strategy } from "./strategy.ts";

const STRATEGY_OF: ReadonlyMap<StrategyName, Strategy> = new Map(
  [firstComeFirstServed, queueAndWait].map((strategy) => [strategy.name, strategy]),
);

export type { Strategy };

export function strategyNamed(name: StrategyName): Strategy | undefined {
  return STRATEGY_OF.get(name);
}

/** What the refusal of a strategy that this version does not have says. */
export function unsupportedStrategy(name: StrategyName): string {
  return `strategy ${name} is not in this version; use ${[...STRATEGY_OF.keys()].join(" or ")}`;
}

/** The strategy in force at a node: its own, or its nearest ancestor's that names one. */
export function strategyAt(node: Allocation): StrategyName {
  for (let at: Allocation | undefined = node; at; at = at.parent) {
    if (at.policy.strategy !== undefined) return at.policy.strategy;
  }
  return "FIRST_COME_FIRST_SERVED";
}
