/** Whether a policy that comes from outside can be kept. */
import { LIMITS } from "#std";
import type { Refusal, Violation } from "./outcome.ts";
import { isEmptyPolicy, type Policy, type PreemptionPolicy, type ShadowPolicy } from "./policy.ts";
import { strategyNamed, unsupportedStrategy } from "./strategies/index.ts";

/** Why not; undefined when it can. */
export function checkPolicy(policy: Policy): Refusal | undefined {
  return problemOf(policy, "policy") ?? (policy.shadow && shadowProblem(policy.shadow));
}

function shadowProblem(shadow: ShadowPolicy): Refusal | undefined {
  const [violation] = shadowViolations(shadow);
  if (!violation) return problemOf(shadow, "policy.shadow");
  const { field, message } = violation;
  return { code: "invalid", violations: [{ field: `policy.shadow${field === "" ? "" : `.${field}`}`, message }] };
}

/** What of a policy that is to be tried cannot be: fields by their names on the wire; the empty one is the shadow itself. */
export function shadowViolations(shadow: ShadowPolicy): readonly Violation[] {
  if (isEmptyPolicy(shadow))
    return [{ field: "", message: "must state what is to be tried; leave it out to try nothing" }];
  const policy: Policy = shadow;
  if (policy.shadow !== undefined)
    return [{ field: "shadow", message: "a policy that is tried has no shadow of its own" }];
  if (policy.lowBudgetPercents === undefined) return [];
  const message = "cannot be tried: it decides about no request; state it in the policy itself";
  return [{ field: "low_budget_percents", message }];
}

function problemOf(policy: Policy, at: string): Refusal | undefined {
  const { strategy, agingStepMs, lowBudgetPercents, preemption } = policy;
  if (strategy !== undefined && !strategyNamed(strategy)) {
    return { code: "unsupported", message: unsupportedStrategy(strategy) };
  }
  const unfit = lowBudgetPercents && percentsProblem(lowBudgetPercents);
  if (unfit !== undefined)
    return { code: "invalid", violations: [{ field: `${at}.low_budget_percents`, message: unfit }] };
  const [unfitRule] = preemption === undefined ? [] : preemptionProblems(preemption);
  if (unfitRule) {
    const [field, message] = unfitRule;
    return { code: "invalid", violations: [{ field: `${at}.preemption.${field}`, message }] };
  }
  const { agingStepMsMin: min, agingStepMsMax: max } = LIMITS;
  if (agingStepMs === undefined || (Number.isInteger(agingStepMs) && agingStepMs >= min && agingStepMs <= max)) {
    return undefined;
  }
  const message = `must be a whole number of milliseconds from ${min} to ${max}; got ${agingStepMs}`;
  return { code: "invalid", violations: [{ field: `${at}.aging_step_ms`, message }] };
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
