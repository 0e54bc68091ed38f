/** Policies of grants that say nothing but what they inherit: there are many of them, and they are mostly the same. */
import type { InheritedPolicy, Policy } from "./policy.ts";

export const NOTHING_INHERITED: InheritedPolicy = Object.freeze({});

/** The latest that was shared: most grants inherit the same, and need not keep it each for itself. */
let latest: Policy = Object.freeze({});

/** The policy of a grant that says nothing itself. */
export function sharedPolicy(policy: Policy): Policy {
  if (policy.inherited === undefined || !saysOnly(policy, "inherited")) return policy;
  if (latest.inherited && isSame(latest.inherited, policy.inherited)) return latest;
  latest = policy;
  return policy;
}

function saysOnly(policy: Policy, only: keyof Policy): boolean {
  for (const name in policy) if (name !== only && policy[name as keyof Policy] !== undefined) return false;
  return true;
}

function isSame(a: InheritedPolicy, b: InheritedPolicy): boolean {
  if (a.strategy !== b.strategy || a.strategyPath !== b.strategyPath || a.agingStepMs !== b.agingStepMs) return false;
  return textOf(a.lowBudgetPercents) === textOf(b.lowBudgetPercents) && textOf(a.preemption) === textOf(b.preemption);
}

/** What is absent and what says nothing is the same. */
function textOf(part: object | undefined): string {
  return part === undefined ? "" : JSON.stringify(Array.isArray(part) ? part : Object.entries(part).sort());
}

export function sameInherited(a: InheritedPolicy | undefined, b: InheritedPolicy | undefined): boolean {
  return isSame(a ?? NOTHING_INHERITED, b ?? NOTHING_INHERITED);
}

/** Whether both say the same, in whatever order: what is read back of a journal stands in the order of its format. */
export function samePolicy(a: Policy, b: Policy): boolean {
  return a === b || inOrder(a) === inOrder(b);
}

function inOrder(policy: Policy): string {
  return JSON.stringify(policy, (_, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
      : value,
  );
}
