/** How preemption is damped at a node, complete with what is usual. */
import { LIMITS } from "#std";
import type { PreemptionMode, PreemptionPolicy } from "./policy.ts";
import type { Allocation } from "./state.ts";
import { USUAL_RULES, type VictimRules } from "./strategies/victim-plan-candidate.ts";

export interface PreemptionRules extends VictimRules {
  readonly worst: PreemptionMode;
  readonly graceMs: number;
}

/** Those of the nearest node, from this one up, that states any; as a whole. */
export function preemptionRulesAt(node: Allocation): PreemptionRules {
  let at: Allocation | undefined = node;
  while (at && at.policy.preemption === undefined) at = at.parent;
  const stated: PreemptionPolicy = at?.policy.preemption ?? {};
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
