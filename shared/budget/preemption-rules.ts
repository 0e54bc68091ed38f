/** How preemption is damped at a node, complete with what is usual. */
import { LIMITS } from "#std";
import { type PreemptionMode, type PreemptionPolicy, statedBy, type Under } from "./policy.ts";
import type { Allocation } from "./state.ts";
import { USUAL_RULES, type VictimRules } from "./strategies/victim-plan-candidate.ts";

export interface PreemptionRules extends VictimRules {
  readonly worst: PreemptionMode;
  readonly graceMs: number;
}

/** Those of the nearest node, from this one up, that states any; as a whole. */
export function preemptionRulesAt(node: Allocation, under: Under = "policy"): PreemptionRules {
  let at = node;
  while (at.parent && statedBy(at.policy, "preemption", under) === undefined) at = at.parent;
  const { inherited } = at.policy;
  const stated: PreemptionPolicy = statedBy(at.policy, "preemption", under) ?? inherited?.preemption ?? {};
  const { worst = "STOP", graceMs = LIMITS.victimGraceMs } = stated;
  return {
    worst,
    graceMs,
    missingMin: USUAL_RULES.missingMin,
    protectMs: stated.protectMs ?? USUAL_RULES.protectMs,
    coolDownMs: stated.coolDownMs ?? USUAL_RULES.coolDownMs,
    victimsPerRoundMax: stated.victimsPerRoundMax ?? USUAL_RULES.victimsPerRoundMax,
    worthPercentMin: stated.worthPercentMin ?? USUAL_RULES.worthPercentMin,
  };
}
