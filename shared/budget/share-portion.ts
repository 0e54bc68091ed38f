/**
 * What a request gets at a node that divides its budget by weight: its share, as far as that is free and not needed by those who wait before
 * it. Less than its minimum is no grant; and its minimum it gets where that is free, though its share be less: what is free is not lacking
 * clearly to anybody (balance-shares.ts), and nobody waits for what lies idle.
 */
import { type Amount, least, monus, most, ZERO } from "./amount.ts";
import type { GrantWish } from "./command.ts";
import { drawableOf, freeOf } from "./free.ts";
import {
  type Amounts,
  CONSUMABLES,
  type Consumable,
  type Demand,
  HELD_RESOURCES,
  NOTHING,
  type Resource,
} from "./resource.ts";
import { claimFor, generalNeed, generalOf, raised } from "./share-claims.ts";
import type { SharedNode } from "./shared-node.ts";
import type { Allocation, BudgetState, Waiter } from "./state.ts";
import type { Claim } from "./strategies/share-claim.ts";
import type { ShareBounds } from "./strategies/share-pool.ts";
import type { Seat } from "./strategies/share-seat.ts";
import { sightOfWish } from "./tranche-sight.ts";

/** A request at a node that divides; of one that waits already, the waiter. */
export interface Sharing {
  readonly wish: GrantWish;
  readonly demand: Demand;
  /** What those before it need at least, together. */
  readonly claimed: Amounts;
  readonly waiter?: Waiter;
}

export interface Portion {
  /** What it gets; worth its minimum if nothing is short. The wanted amounts themselves where it gets all of them. */
  readonly give: Amounts;
  /** The first resource of which it cannot have its minimum now; undefined: it is granted. */
  readonly short: Resource | undefined;
  /** Its share; undefined: its minimum has no room beside those of the others. */
  readonly share: ShareBounds | undefined;
}

export function portionOf(state: BudgetState, shared: SharedNode, sharing: Sharing): Portion {
  return seatedAs(state, shared, sharing, (seat) =>
    portionAt(state, shared, sharing, seat && shared.pool.shareOf(seat)),
  );
}

/** Looks at the pool with a seat for the request; without one where its minimum has no room. */
export function seatedAs<T>(
  state: BudgetState,
  shared: SharedNode,
  { wish, demand, waiter }: Sharing,
  look: (seat: Seat | undefined) => T,
): T {
  const seated = waiter && shared.seatOf(waiter);
  if (seated) return look(seated);
  const child = raisedChild(state, wish);
  if (wish.type === "raise" && !child) return look(undefined);
  const claim = child ? raised(standingClaim(shared, child), child, demand.wanted) : claimOf(shared.node, wish, demand);
  // Of one that waits for more the child's seat says so already.
  const own = child && waiter ? shared.seatOf(child) : undefined;
  if (own) return look(own);
  let seen: { readonly value: T } | undefined;
  shared.with(claim, child, (seat) => {
    seen = { value: look(seat) };
    return seen;
  });
  return seen ? seen.value : look(undefined);
}

function raisedChild({ allocations }: BudgetState, wish: GrantWish): Allocation | undefined {
  return wish.type === "raise" ? allocations.get(wish.allocationId) : undefined;
}

const NO_CLAIM = claimFor({ weight: 1, priority: "NORMAL", min: NOTHING, max: NOTHING, sequence: 0 });

function standingClaim(shared: SharedNode, child: Allocation): Claim {
  return shared.seatOf(child)?.claim ?? { ...NO_CLAIM, weight: child.weight, priority: child.priority };
}

function claimOf(node: Allocation, wish: GrantWish, demand: Demand): Claim {
  const { weight, priority } = wish.type === "open" ? wish : NO_CLAIM;
  const min = generalNeed(demand.min, node, priority);
  return claimFor({ weight, priority, min, max: demand.wanted, sequence: Number.MAX_SAFE_INTEGER });
}

function portionAt(state: BudgetState, shared: SharedNode, sharing: Sharing, share: ShareBounds | undefined): Portion {
  const { node } = shared;
  const { wish, demand, claimed } = sharing;
  const child = raisedChild(state, wish);
  const sight = sightOfWish(state, node, wish);
  const part = (resource: Consumable): Amount => {
    const wanted = demand.wanted[resource];
    const there = least(wanted, monus(drawableOf(node, resource, sight), claimed[resource]));
    if (!shared.divides(resource) || child?.pooled.includes(resource)) return there;
    const has = child ? generalOf(child, resource) : ZERO;
    const part = share ? monus(share.most[resource], has) : ZERO;
    return least(there, most(part, demand.min[resource]));
  };
  const [credits, toolCalls] = [part("credits"), part("toolCalls")];
  const isAll = credits === demand.wanted.credits && toolCalls === demand.wanted.toolCalls;
  const give = isAll ? demand.wanted : { ...demand.wanted, credits, toolCalls };
  return { give, short: shortOf(shared, sharing, give), share };
}

function shortOf(shared: SharedNode, sharing: Sharing, give: Amounts): Resource | undefined {
  for (const resource of CONSUMABLES) if (give[resource] < sharing.demand.min[resource]) return resource;
  return heldShort(shared, sharing);
}

/** What is not divided, and too little of it free. */
export function heldShort({ node }: SharedNode, { demand, claimed }: Sharing): Resource | undefined {
  for (const resource of HELD_RESOURCES) {
    const wanted = demand.wanted[resource];
    if (wanted > 0 && claimed[resource] + wanted > freeOf(node, resource)) return resource;
  }
  return undefined;
}
