/** The strategies by name. A strategy this version does not have is refused by name, never replaced by another. */
import { LIMITS } from "#std";
import { type StrategyName, statedBy, type Under } from "../policy.ts";
import type { Allocation } from "../state.ts";
import { firstComeFirstServed } from "./first-come-first-served.ts";
import type { QueueOrder } from "./order.ts";
import { preemptionAllowed } from "./preemption-allowed.ts";
import { priorityBased } from "./priority-based.ts";
import { proportionalSharing } from "./proportional-sharing.ts";
import { queueAndWait } from "./queue-and-wait.ts";
import type { Passing, Strategy } from "./strategy.ts";

const STRATEGY_OF: ReadonlyMap<StrategyName, Strategy> = new Map(
  [firstComeFirstServed, priorityBased, proportionalSharing, preemptionAllowed, queueAndWait].map((strategy) => [
    strategy.name,
    strategy,
  ]),
);

export type { Passing, QueueOrder, Strategy };

export function strategyNamed(name: StrategyName): Strategy | undefined {
  return STRATEGY_OF.get(name);
}

/** What the refusal of a strategy that this version does not have says. */
export function unsupportedStrategy(name: StrategyName): string {
  return `strategy ${name} is not in this version; use ${[...STRATEGY_OF.keys()].join(" or ")}`;
}

/** The strategy in force at a node: its own, or its nearest ancestor's that names one. */
export function strategyAt(node: Allocation, under: Under = "policy"): StrategyName {
  for (let at = node; ; at = at.parent) {
    const stated = (under === "shadow" ? at.policy.shadow?.strategy : undefined) ?? at.policy.strategy;
    if (stated !== undefined) return stated;
    if (!at.parent) return at.policy.inherited?.strategy ?? "FIRST_COME_FIRST_SERVED";
  }
}

function agingStepAt(node: Allocation, under: Under): number {
  for (let at = node; ; at = at.parent) {
    const stated = statedBy(at.policy, "agingStepMs", under);
    if (stated !== undefined) return stated;
    if (!at.parent) return at.policy.inherited?.agingStepMs ?? LIMITS.agingStepMs;
  }
}

/** The order in which requests wait at the node. One that an older or newer version has written down may be unknown: then they came first. */
export function orderAt(node: Allocation, under: Under = "policy"): QueueOrder {
  const strategy = strategyNamed(strategyAt(node, under)) ?? firstComeFirstServed;
  return strategy.order({ agingStepMs: agingStepAt(node, under) });
}
