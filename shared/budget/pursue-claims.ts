/**
 * The end of a decision, where others give way: whoever claims and has been given all that was asked for it, and lacks something still, gets
 * its next plan; what claims that have ended leave goes to those who wait. So a plan is only ever made when nothing is moving any more.
 */
import { LIMITS } from "#std";
import { freed } from "./cascade.ts";
import type { Claim } from "./claims.ts";
import type { Draft } from "./draft.ts";
import { letGoOn } from "./goes-on.ts";
import { hasGiven, hasNothingFree, planAgain } from "./preempt-for.ts";
import type { Allocation } from "./state.ts";

/** To be called when everything else of the decision is done. Those who are not reached are looked at when they are due. */
export function pursueClaims(draft: Draft): void {
  const { moved } = draft;
  if (!moved) return;
  let left: number = LIMITS.claimsPerDecisionMax;
  while (letGoOn(draft));
  for (const node of moved) {
    // What moves again is looked at again.
    moved.delete(node);
    freed(draft, node);
    while (letGoOn(draft));
    const { claims } = node.waiters;
    let todo = claims.moved(draft.answered).values();
    for (let { value: claim } = todo.next(); claim && left > 0; { value: claim } = todo.next()) {
      if (!isReady(draft, node, claim)) {
        claims.looked(claim);
        continue;
      }
      left -= 1;
      draft.answered?.delete(claim);
      planAgain(draft, node, claim);
      freed(draft, node);
      while (letGoOn(draft));
      todo = claims.moved(draft.answered, claim).values();
    }
  }
}

/**
 * All that was asked for it has been given, and it still waits. What is not free where it was asked for is not waited for: when the last of
 * the others answers, it has its next plan.
 */
function isReady({ state, answered }: Draft, node: Allocation, claim: Claim): boolean {
  const { givers, waiter } = claim;
  if (givers.length === 0 || node.waiters.claims.get(waiter.effectKey) !== claim) return false;
  const mayOwe = answered?.has(claim) === true;
  return givers.every((giver) => hasGiven(state, giver) || (mayOwe && hasNothingFree(state, giver)));
}
