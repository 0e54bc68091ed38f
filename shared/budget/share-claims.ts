/**
 * What a child, or who waits, claims of a node that divides its budget by weight, and what it has of it. Only general credits are divided:
 * what a child has drawn of a tranche it has beside its share.
 */
import { LIMITS } from "#std";
import { type Amount, addCapped, least, monus, most, ZERO } from "./amount.ts";
import { pendingOf } from "./asked.ts";
import { bookOf } from "./ledger.ts";
import type { Priority } from "./policy.ts";
import { type Amounts, addAmounts, CONSUMABLES, type Consumable, NOTHING } from "./resource.ts";
import { isShareAsk, type ShareWish } from "./share-wish.ts";
import { type Allocation, heldShare } from "./state.ts";
import type { Claim } from "./strategies/share-claim.ts";
import { NO_TRANCHES, partsBy, sees, sightOf, sumOf } from "./tranches.ts";

export function takenBy(child: Allocation): Amounts {
  const of = (resource: Consumable) => {
    if (child.pooled.includes(resource)) return ZERO;
    return generalOf(child, resource);
  };
  return {
    credits: of("credits"),
    toolCalls: of("toolCalls"),
    branches: heldShare(child, "branches"),
    memoryBytes: heldShare(child, "memoryBytes"),
  };
}

export function owedBy({ reclaims }: Allocation): Amounts {
  let owed = NOTHING;
  if (reclaims.size === 0) return owed;
  for (const reclaim of reclaims.values()) {
    if (isShareAsk(reclaim.preemptionId)) owed = addAmounts(owed, pendingOf(reclaim));
  }
  return owed;
}

/** What it will hold when it has given what it was asked for, as far as it still can. */
export function remaining(child: Allocation, resource: Consumable, owed: Amounts): Amount {
  if (child.pooled.includes(resource)) return ZERO;
  const { limit, usage } = bookOf(child, resource);
  return least(generalOf(child, resource), most(monus(limit, owed[resource]), usage));
}

/** What its limit holds beside what it drew of tranches of its parent; an overrun is not in its limit. */
export function generalOf(child: Allocation, resource: Consumable): Amount {
  const { limit, usage } = bookOf(child, resource);
  const tranches = child.parent?.tranches ?? NO_TRANCHES;
  if (tranches === NO_TRANCHES || resource !== "credits") return limit;
  return least(limit, monus(most(limit, usage), sumOf(tranches.madeUpOf(child))));
}

/** What of its limit it drew of tranches of its parent. */
function drawnOf(child: Allocation, resource: Consumable): Amount {
  return monus(bookOf(child, resource).limit, generalOf(child, resource));
}

/** What it is known to have used of that, which comes before what it drew of tranches. */
export function generalUsedBy(child: Allocation, resource: Consumable): Amount {
  return least(bookOf(child, resource).usage, generalOf(child, resource));
}

export interface Claiming {
  readonly weight: number;
  readonly priority: Claim["priority"];
  readonly min: Amounts;
  readonly max: Amounts;
  readonly sequence: number;
}

/** What it needs of general credits at least, where tranches give it all that they can. */
export function generalNeed(min: Amounts, { tranches }: Allocation, priority: Priority): Amounts {
  if (tranches === NO_TRANCHES) return min;
  const sight = sightOf(priority);
  const seen = partsBy((tranche) => (sees(sight, tranche) ? tranches.carve[tranche] : ZERO));
  return { ...min, credits: monus(min.credits, sumOf(seen)) };
}

/** Of what is held `max` counts, and of a consumable a minimum above the wish lifts the wish. */
export function claimFor({ weight, priority, min, max, sequence }: Claiming): Claim {
  const { branches, memoryBytes } = max;
  const credits = most(max.credits, min.credits);
  const toolCalls = most(max.toolCalls, min.toolCalls);
  return {
    // An allocation of an older version may have another weight.
    weight: Math.min(LIMITS.weightMax, Math.max(1, Math.round(weight))),
    priority,
    min: { credits: min.credits, toolCalls: min.toolCalls, branches, memoryBytes },
    max: { credits, toolCalls, branches, memoryBytes },
    sequence,
  };
}

interface Standing {
  readonly wish: ShareWish | undefined;
  readonly floor: Amounts;
  readonly sequence: number;
}

/** Who was granted before its parent divided claims what it has. */
export function claimAs(child: Allocation, { wish, floor, sequence }: Standing): Claim {
  const { weight, priority } = child;
  const of = (resource: Consumable) => {
    if (child.pooled.includes(resource)) return { min: ZERO, max: ZERO };
    const drawn = drawnOf(child, resource);
    const max = monus(wish ? wish.max[resource] : bookOf(child, resource).limit, drawn);
    return { min: most(monus(wish?.min[resource] ?? ZERO, drawn), floor[resource]), max };
  };
  const [credits, toolCalls] = [of("credits"), of("toolCalls")];
  const held = { branches: heldShare(child, "branches"), memoryBytes: heldShare(child, "memoryBytes") };
  return claimFor({
    weight,
    priority,
    min: { credits: credits.min, toolCalls: toolCalls.min, ...held },
    max: { credits: credits.max, toolCalls: toolCalls.max, ...held },
    sequence,
  });
}

/** A claim with so much more of what can be divided. What it needs at least stays: more it gets as its share, or as it lies free. */
export function raised(claim: Claim, child: Allocation, by: Amounts): Claim {
  const of = (resource: Consumable) =>
    child.pooled.includes(resource)
      ? ZERO
      : most(claim.max[resource], addCapped(generalOf(child, resource), by[resource]));
  return claimFor({ ...claim, max: { ...claim.max, credits: of("credits"), toolCalls: of("toolCalls") } });
}

export function sameClaim(a: Claim, b: Claim): boolean {
  if (a.weight !== b.weight) return false;
  for (const resource of CONSUMABLES) {
    if (a.min[resource] !== b.min[resource] || a.max[resource] !== b.max[resource]) return false;
  }
  return a.max.branches === b.max.branches && a.max.memoryBytes === b.max.memoryBytes;
}
