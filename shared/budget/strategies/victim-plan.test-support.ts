/** Candidates, rules and questions of the tests of victim plans. */
import type { Amount } from "../amount.ts";
import { type Amounts, amountsOf, NOTHING } from "../resource.ts";
import { planVictims, type VictimPlan } from "./victim-plan.ts";
import type { VictimCandidate, VictimQuestion, VictimRules } from "./victim-plan-candidate.ts";

export interface Some {
  readonly credits?: number;
  readonly toolCalls?: number;
  readonly branches?: number;
  readonly memoryBytes?: number;
}

export function some(amounts: Some): Amounts {
  return amountsOf(amounts as { readonly [R in keyof Some]: Amount });
}

/** Nothing is damped. */
export const UNDAMPED: VictimRules = {
  protectMs: 0,
  coolDownMs: 0,
  victimsPerRoundMax: 1_000,
  missingMin: NOTHING,
  worthPercentMin: 0,
};

/** LOW, opened at 0, half done, with nothing to give. */
export function candidate(id: string, own: Partial<VictimCandidate> = {}): VictimCandidate {
  return { id, path: `node/${id}`, priority: "LOW", grantedAtMs: 0, unspent: NOTHING, percentDone: 50, ...own };
}

/** A HIGH claimant asks, at 100,000 ms. */
export function ask(
  needed: Some,
  candidates: readonly VictimCandidate[],
  own: Partial<VictimQuestion> = {},
): VictimPlan {
  const claimant = { priority: "HIGH", path: "node/claimant" } as const;
  return planVictims({ claimant, needed: some(needed), candidates, rules: UNDAMPED, nowMs: 100_000, ...own });
}

/** The plan in one line: id-amount for what is free, id:mode for who is preempted. */
export function line(plan: VictimPlan): string {
  if (plan.type === "none") return plan.reason;
  const unspent = plan.unspent.map(({ id, takes }) => `${id}-${takes.credits || takes.branches}`);
  return [...unspent, ...plan.victims.map(({ id, mode }) => `${id}:${mode}`)].join(" ");
}
