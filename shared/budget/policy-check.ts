/** Whether a policy that comes from outside can be kept. */
import { LIMITS } from "#std";
import type { Refusal } from "./outcome.ts";
import { type Policy, type PreemptionPolicy, WORST_SERVED } from "./policy.ts";
import { strategyNamed, unsupportedStrategy } from "./strategies/index.ts";

/** Why not; undefined when it can. */
export function checkPolicy(policy: Policy): Refusal | undefined {
  const { strategy, agingStepMs, lowBudgetPercents, preemption } = policy;
  if (strategy !== undefined && !strategyNamed(strategy)) {
    return { code: "unsupported", message: unsupportedStrategy(strategy) };
  }
  const unfit = lowBudgetPercents && percentsProblem(lowBudgetPercents);
  if (unfit !== undefined)
    return { code: "invalid", violations: [{ field: "policy.low_budget_percents", message: unfit }] };
  if (preemption?.worst === "PAUSE") {
    const message = `pausing running work for the sake of others is not in this version; use ${WORST_SERVED.join(" or ")}`;
    return { code: "unsupported", message };
  }
  const [unfitRule] = preemption === undefined ? [] : preemptionProblems(preemption);
  if (unfitRule) {
    const [field, message] = unfitRule;
    return { code: "invalid", violations: [{ field: `policy.preemption.${field}`, message }] };
  }
  const { agingStepMsMin: min, agingStepMsMax: max } = LIMITS;
  if (agingStepMs === undefined || (Number.isInteger(agingStepMs) && agingStepMs >= min && agingStepMs <= max)) {
    return undefined;
  }
  const message = `must be a whole number of milliseconds from ${min} to ${max}; got ${agingStepMs}`;
  return { code: "invalid", violations: [{ field: "policy.aging_step_ms", message }] };
}

/** What is wrong with the rules of preemption: fields by their names on the wire, each with what it must be. */
export function preemptionProblems(rules: PreemptionPolicy): (readonly [field: string, message: string])[] {
  const { protectMs, coolDownMs, graceMs, victimsPerRoundMax, worthPercentMin } = rules;
  const problem = (field: string, value: number | undefined, [min, max]: readonly [number, number]) =>
    value === undefined || (Number.isInteger(value) && value >= min && value <= max)
      ? []
      : [[field, `must be a whole number from ${min} to ${max}; got ${value}`] as const];
  return [
    ...problem("protect_ms", protectMs, [0, LIMITS.victimTimesMsMax]),
    ...problem("cool_down_ms", coolDownMs, [0, LIMITS.victimTimesMsMax]),
    ...problem("grace_ms", graceMs, [0, LIMITS.graceMsMax]),
    ...problem("victims_per_round_max", victimsPerRoundMax, [1, LIMITS.victimScanMax]),
    ...problem("worth_percent_min", worthPercentMin, [0, 100]),
  ];
}

/** Why these can be no thresholds; undefined when they can. */
export function percentsProblem(percents: readonly number[]): string | undefined {
  const { lowBudgetPercentsMax: max } = LIMITS;
  if (percents.length === 0 || percents.length > max)
    return `must be 1 to ${max} percentages; leave it out to inherit them`;
  const odd = percents.find((percent) => !(Number.isInteger(percent) && percent >= 1 && percent <= 99));
  if (odd !== undefined) return `must be whole percentages from 1 to 99; got ${odd}`;
  const fallen = percents.find((percent, index) => index > 0 && percent <= (percents[index - 1] ?? 0));
  return fallen === undefined ? undefined : `must rise; ${fallen} does not`;
}
