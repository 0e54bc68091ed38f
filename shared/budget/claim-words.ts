/** How a claim stands, in words: who gives way to it, and how much is set aside for it already. */
import { isNothing } from "./resource.ts";
import type { Allocation, Waiter } from "./state.ts";
import type { VictimPlan } from "./strategies/victim-plan.ts";
import { amountsText } from "./strategies/victim-plan-words.ts";

/** Of one that waits; undefined where nobody was looked for. */
export function claimWords(node: Allocation, { effectKey, demand }: Waiter): string | undefined {
  const claim = node.waiters.claims.get(effectKey);
  if (!claim) return undefined;
  if (claim.givers.length === 0) return "nobody of lower priority can give way to it now";
  const own = node.waiters.earmarks.of(effectKey);
  const aside = isNothing(own) ? "" : `, and ${amountsText(own)} of ${amountsText(demand.min)} are set aside for it`;
  return `${giveWay(claim.givers.length)}${aside}`;
}

/** Of a plan that is about to be carried out, or why there is none. `fits`: it lacks nothing but its turn. */
export function planWords(plan: VictimPlan, fits: boolean): string {
  if (plan.type === "none" && fits && plan.reason === "NOT_ENOUGH")
    return "not enough may be taken for it and those before it";
  if (plan.type === "none") return plan.because;
  return giveWay(plan.unspent.length + plan.victims.length);
}

function giveWay(count: number): string {
  return count === 1 ? "one of lower priority gives way to it" : `${count} of lower priority give way to it`;
}
