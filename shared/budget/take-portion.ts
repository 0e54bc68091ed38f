/**
 * What a request gets where budget is divided by weight, after children that are kept here have given what is free in them above their
 * share: that comes back in the same decision, so that nobody is refused for it. Only where it makes the grant sure, for a refusal changes
 * nothing; and only where nobody else would have a turn at what comes back: who waits, or a preemption further up.
 */
import { assert } from "#std";
import { type Amount, add, least, monus, ZERO } from "./amount.ts";
import { askShare, givable } from "./ask-share.ts";
import type { Draft } from "./draft.ts";
import { freeOf } from "./free.ts";
import { amountsOf, CONSUMABLES, type Consumable, isNothing } from "./resource.ts";
import { type Portion, portionOf, type Sharing, seatedAs } from "./share-portion.ts";
import type { SharedNode } from "./shared-node.ts";
import type { Allocation } from "./state.ts";
import type { Seat } from "./strategies/share-seat.ts";

export function takePortion(draft: Draft, shared: SharedNode, sharing: Sharing): Portion {
  const portion = portionOf(draft.state, shared, sharing);
  if (!portion.share || !isQuiet(shared.node)) return portion;
  const lacks = amountsOf({
    credits: lack(draft, shared, sharing, { portion, resource: "credits" }),
    toolCalls: lack(draft, shared, sharing, { portion, resource: "toolCalls" }),
  });
  if (isNothing(lacks) || portion.short === "branches" || portion.short === "memoryBytes") return portion;
  const gifts = CONSUMABLES.flatMap((resource) =>
    giftsOf(draft, shared, sharing, { resource, wanted: lacks[resource] }),
  );
  const { give } = portion;
  const isEnough = CONSUMABLES.every((resource) => {
    const given = gifts
      .filter((gift) => gift.resource === resource)
      .reduce<Amount>((sum, g) => add(sum, g.amount), ZERO);
    return add(give[resource], given) >= sharing.demand.min[resource];
  });
  if (!isEnough || gifts.length === 0) return portion;
  for (const { child, resource, amount } of gifts) askShare(draft, shared, child, amountsOf({ [resource]: amount }));
  shared.sync(draft.state.sharing.wishes);
  const taken = portionOf(draft.state, shared, sharing);
  assert(taken.short === undefined, "what was given makes the grant possible");
  return taken;
}

function isQuiet(node: Allocation): boolean {
  if (node.waiters.size > 0 || CONSUMABLES.some((resource) => node.books[resource].debt > 0)) return false;
  for (let at: Allocation | undefined = node; at; at = at.parent) if (at.reclaims.size > 0) return false;
  return true;
}

interface Part {
  readonly portion: Portion;
  readonly resource: Consumable;
}

/** What it has less than its share. */
function lack(draft: Draft, shared: SharedNode, { wish }: Sharing, { portion, resource }: Part): Amount {
  if (!shared.divides(resource)) return ZERO;
  const child = wish.type === "raise" ? draft.state.allocations.get(wish.allocationId) : undefined;
  if (child?.pooled.includes(resource)) return ZERO;
  const has = child ? child.books[resource].limit : ZERO;
  return monus(monus(portion.share?.least[resource] ?? ZERO, has), portion.give[resource]);
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
    return child?.side === "local" && child.reclaims.size === 0 ? child : undefined;
  };
  const can = (seat: Seat): Amount => {
    const child = localAt(seat);
    return child ? least(freeOf(child, resource), givable(child, resource)) : ZERO;
  };
  const gaps = seatedAs(draft.state, shared, sharing, (seat) =>
    seat ? shared.pool.givers(resource, wanted, can) : [],
  );
  return gaps.flatMap(({ seat, amount }): Gift[] => {
    const child = localAt(seat);
    return child ? [{ child, resource, amount }] : [];
  });
}
