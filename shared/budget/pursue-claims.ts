/**
 * The end of a decision, where others give way: whoever claims and has been given all that was asked for it, and lacks something still, gets
 * its next plan; what claims that have ended leave goes to those who wait. So a plan is only ever made when nothing is moving any more.
 */
import { LIMITS } from "#std";
import { freed } from "./cascade.ts";
import type { Claim } from "./claims.ts";
import type { Draft } from "./draft.ts";
import { hasGiven, planAgain } from "./preempt-for.ts";
import type { Allocation } from "./state.ts";

/** To be called when everything else of the decision is done. Those who are not reached are looked at when they are due. */
export function pursueClaims(draft: Draft): void {
  const { moved } = draft;
  if (!moved) return;
  let left: number = LIMITS.claimsPerDecisionMax;
  for (const node of moved) {
    // What moves again is looked at again.
    moved.delete(node);
    freed(draft, node);
    for (const claim of [...node.waiters.claims.values()]) {
      if (left === 0 || !isReady(draft, node, claim)) continue;
      left -= 1;
      planAgain(draft, node, claim);
      freed(draft, node);
    }
  }
}

/** All that was asked for it has been given, and it still waits. */
function isReady({ state }: Draft, node: Allocation, claim: Claim): boolean {
  const { givers, waiter } = claim;
  if (givers.length === 0 || node.waiters.claims.get(waiter.effectKey) !== claim) return false;
  return givers.every((giver) => hasGiven(state, giver));
}
