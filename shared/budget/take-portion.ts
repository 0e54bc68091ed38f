/**
 * What a request gets where budget is divided by weight, after children that are kept here have given what is free in them above their
 * share: that comes back in the same decision, so that nobody is refused for it. Only where it makes the grant sure, for a refusal changes
 * nothing; and only where nobody else would have a turn at what comes back: who waits, a reservation that lacks something, or a preemption further up.
 */
import { assert } from "#std";
import { type Amount, add, least, monus, most, ZERO } from "./amount.ts";
import { askShare, givable } from "./ask-share.ts";
import type { Draft } from "./draft.ts";
import { freeOf, sightOfParent } from "./free.ts";
import { missingOf } from "./reservation.ts";
import { amountsOf, CONSUMABLES, type Consumable, isNothing, monusAmounts } from "./resource.ts";
import { generalOf } from "./share-claims.ts";
import { heldShort, type Portion, portionOf, type Sharing, seatedAs } from "./share-portion.ts";
import type { SharedNode } from "./shared-node.ts";
import type { Allocation } from "./state.ts";
import type { Seat } from "./strategies/share-seat.ts";

export function takePortion(draft: Draft, shared: SharedNode, sharing: Sharing): Portion {
  if (isWholeFree(shared, sharing)) return { give: sharing.demand.wanted, short: undefined, share: undefined };
  const portion = portionOf(draft.state, shared, sharing);
  const gifts = giftsTo(draft, shared, sharing, portion);
  if (gifts.length === 0) return portion;
  for (const { child, resource, amount } of gifts) askShare(draft, shared, child, amountsOf({ [resource]: amount }));
  shared.sync(draft.state.sharing.wishes);
  const taken = portionOf(draft.state, shared, sharing);
  assert(taken.short === undefined, "what was given makes the grant possible");
  return taken;
}

/**
 * Whether it wants all or nothing, and all of it is free in general: then it gets all whatever its share, and nothing is lacking of that, so
 * that its share need not be found, which is half of what such a request costs.
 */
function isWholeFree(shared: SharedNode, sharing: Sharing): boolean {
  const { wish, demand, claimed } = sharing;
  if (wish.type !== "open") return false;
  for (const resource of CONSUMABLES) {
    const wanted = demand.wanted[resource];
    if (demand.min[resource] < wanted || monus(freeOf(shared.node, resource), claimed[resource]) < wanted) return false;
  }
  return !heldShort(shared, sharing);
}

/** What it would get. Changes nothing. */
export function portionAsTried(draft: Draft, shared: SharedNode, sharing: Sharing): Portion {
  const portion = portionOf(draft.state, shared, sharing);
  const gifts = giftsTo(draft, shared, sharing, portion);
  if (gifts.length === 0) return portion;
  const { wanted } = sharing.demand;
  const given = sumsOf(gifts);
  // What it has beyond what is free in general it may draw of a reserve: it gets its share all the same, and not the gift beside it.
  const upTo = (resource: Consumable): Amount => {
    const all = add(portion.give[resource], given[resource]);
    return given[resource] === 0 ? all : least(all, atMost(draft, sharing, { portion, resource }));
  };
  const give = { ...portion.give, credits: upTo("credits"), toolCalls: upTo("toolCalls") };
  return { ...portion, give: isNothing(monusAmounts(wanted, give)) ? wanted : give, short: undefined };
}

/** What children above their shares give at once; nothing where that does not make the grant sure. */
function giftsTo(draft: Draft, shared: SharedNode, sharing: Sharing, portion: Portion): readonly Gift[] {
  if (!portion.share || !isQuiet(shared.node)) return [];
  const lacks = amountsOf({
    credits: lack(draft, shared, sharing, { portion, resource: "credits" }),
    toolCalls: lack(draft, shared, sharing, { portion, resource: "toolCalls" }),
  });
  // Beside what is lacking of its share slots or memory may be short, too.
  if (isNothing(lacks) || heldShort(shared, sharing)) return [];
  const gifts = CONSUMABLES.flatMap((resource) =>
    giftsOf(draft, shared, sharing, { resource, wanted: lacks[resource] }),
  );
  const { give } = portion;
  const given = sumsOf(gifts);
  const isEnough = CONSUMABLES.every(
    (resource) => add(give[resource], given[resource]) >= sharing.demand.min[resource],
  );
  return isEnough ? gifts : [];
}

function sumsOf(gifts: readonly Gift[]): { readonly [R in Consumable]: Amount } {
  const sum = (resource: Consumable) =>
    gifts.reduce<Amount>((total, gift) => (gift.resource === resource ? add(total, gift.amount) : total), ZERO);
  return { credits: sum("credits"), toolCalls: sum("toolCalls") };
}

function isQuiet(node: Allocation): boolean {
  const { waiters, books } = node;
  if (waiters.size > 0 || CONSUMABLES.some((resource) => books[resource].debt > 0)) return false;
  for (const reservation of waiters.reservations.values()) {
    if (!isNothing(missingOf(reservation, waiters.earmarks))) return false;
  }
  for (let at: Allocation | undefined = node; at; at = at.parent) if (at.reclaims.size > 0) return false;
  return true;
}

interface Part {
  readonly portion: Portion;
  readonly resource: Consumable;
}

/** What it would get of what is divided, were all of it free. */
function atMost({ state }: Draft, { wish, demand }: Sharing, { portion, resource }: Part): Amount {
  const child = wish.type === "raise" ? state.allocations.get(wish.allocationId) : undefined;
  const has = child ? generalOf(child, resource) : ZERO;
  const share = monus(portion.share?.most[resource] ?? ZERO, has);
  return least(demand.wanted[resource], most(share, demand.min[resource]));
}

/** What it has less than its share. */
function lack(draft: Draft, shared: SharedNode, { wish }: Sharing, { portion, resource }: Part): Amount {
  if (!shared.divides(resource)) return ZERO;
  const child = wish.type === "raise" ? draft.state.allocations.get(wish.allocationId) : undefined;
  if (child?.pooled.includes(resource)) return ZERO;
  const has = child ? generalOf(child, resource) : ZERO;
  const general = least(portion.give[resource], freeOf(shared.node, resource));
  return monus(monus(portion.share?.least[resource] ?? ZERO, has), general);
}

interface Gift {
  readonly child: Allocation;
  readonly resource: Consumable;
  readonly amount: Amount;
}

/** What children that are kept here have free above their shares, were the request granted. */
function giftsOf(
  draft: Draft,
  shared: SharedNode,
  sharing: Sharing,
  { resource, wanted }: { readonly resource: Consumable; readonly wanted: Amount },
): Gift[] {
  if (wanted === 0) return [];
  const localAt = (seat: Seat): Allocation | undefined => {
    const sitter = shared.sitterAt(seat);
    const child = sitter && "child" in sitter ? sitter.child : undefined;
    // What comes back of one that drew of a reserve fills that again first.
    const isPlain = child !== undefined && !shared.node.tranches.drawers.has(child);
    return isPlain && child.side === "local" && child.reclaims.size === 0 ? child : undefined;
  };
  const can = (seat: Seat): Amount => {
    const child = localAt(seat);
    return child ? least(freeOf(child, resource, sightOfParent(child)), givable(draft.state, child, resource)) : ZERO;
  };
  const gaps = seatedAs(draft.state, shared, sharing, (seat) =>
    seat ? shared.pool.givers(resource, wanted, can) : [],
  );
  return gaps.flatMap(({ seat, amount }): Gift[] => {
    const child = localAt(seat);
    return child ? [{ child, resource, amount }] : [];
  });
}
