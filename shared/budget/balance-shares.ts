/**
 * How shares follow those who come and go at a node that divides its budget by weight. Once all else of a decision is done, at each node
 * where something moved:
 * 1. what is free goes to children that are clearly below their share (beyond the dead zone) or below their minimum, the lowest first; what
 *    is for those who wait stays for them;
 * 2. what is still lacking, and not asked for yet, is asked back by SHRINK from those who hold most for their weight, once in a decision.
 * Nothing is given before it has come back. What a holder has used it cannot give: that counts as its minimum from then on.
 */
import { LIMITS } from "#std";
import { type Amount, addCapped, monus, ZERO } from "./amount.ts";
import { askShare, givable } from "./ask-share.ts";
import { pendingOf } from "./asked.ts";
import { freed } from "./cascade.ts";
import { notTakingWork } from "./conflict.ts";
import { tellHolder } from "./decide-update-limits.ts";
import { type Draft, emit, say } from "./draft.ts";
import { freeOf } from "./free.ts";
import { endReclaim } from "./reclaim.ts";
import { amountsOf, CONSUMABLES, type Consumable } from "./resource.ts";
import { shareLater } from "./share-later.ts";
import { isShareAsk } from "./share-wish.ts";
import type { SharedNode } from "./shared-node.ts";
import { sharedAt } from "./sharing.ts";
import type { Allocation } from "./state.ts";
import type { Seat } from "./strategies/share-seat.ts";

/** Looks at one node, each time that something moves there again: in one decision at most so often. */
const LOOKS_MAX = 8;

/** To be called at the end of each decision. */
export function balanceShares(draft: Draft): void {
  const looks = new Map<Allocation, number>();
  for (const node of draft.toShare ?? []) {
    // What moves while it is looked at puts it into the set again, at its end.
    draft.toShare?.delete(node);
    const count = looks.get(node) ?? 0;
    looks.set(node, count + 1);
    if (count < LOOKS_MAX) balance(draft, node, count === 0);
  }
}

function balance(draft: Draft, node: Allocation, isFirst: boolean): void {
  if (node.side === "delegated" || notTakingWork(node, draft.nowMs)) return;
  const shared = sharedAt(draft.state, node);
  if (!shared) return;
  for (const resource of CONSUMABLES) {
    if (!shared.divides(resource)) continue;
    topUp(draft, shared, resource);
    if (isFirst) askBack(draft, shared, resource);
  }
}

function topUp(draft: Draft, shared: SharedNode, resource: Consumable): void {
  const free = monus(freeOf(shared.node, resource), shared.wholeNeed(resource));
  if (free === 0) return;
  for (const { seat, amount } of shared.pool.belowShare(resource, free)) {
    const sitter = shared.sitterAt(seat);
    if (!sitter || !("child" in sitter)) continue;
    const { child } = sitter;
    // It is served in its turn.
    if (shared.node.waiters.raisesOf(child.id).length > 0) continue;
    raise(draft, child, resource, takeBackAsks(draft, child, resource, amount));
  }
}

/** What it was asked for and has not given it may keep, as far as it is to be given so much; answers what is left to give. */
function takeBackAsks(draft: Draft, child: Allocation, resource: Consumable, amount: Amount): Amount {
  let left = amount;
  for (const reclaim of [...child.reclaims.values()]) {
    const owed = pendingOf(reclaim)[resource];
    if (!isShareAsk(reclaim.preemptionId) || owed === 0) continue;
    if (owed > left) return ZERO;
    endReclaim(draft, { node: child, reclaim }, "cancelled");
    // What is free was thought to be for this one, and is there for others.
    if (child.parent) shareLater(draft, child.parent);
    left = monus(left, owed);
  }
  return left;
}

function raise(draft: Draft, child: Allocation, resource: Consumable, amount: Amount): void {
  const isCountable = child.grantedTotal[resource] + amount <= LIMITS.amountMax;
  if (amount === 0 || !isCountable) return;
  const by = amountsOf({ [resource]: amount });
  emit(draft, { type: "limit_raised", atMs: draft.nowMs, allocationId: child.id, by, effect: undefined }, child);
  tellHolder(draft, child);
  say(draft, { type: "noted", allocationId: child.id, verdict: { decided: "TOPPED_UP", by } });
  freed(draft, child);
}

function askBack(draft: Draft, shared: SharedNode, resource: Consumable): void {
  const wanted = unasked(shared, resource);
  if (wanted === 0) return;
  const childAt = (seat: Seat) => {
    const sitter = shared.sitterAt(seat);
    return sitter && "child" in sitter ? sitter.child : undefined;
  };
  const can = (seat: Seat) => {
    const child = childAt(seat);
    return child ? givable(draft.state, child, resource) : ZERO;
  };
  for (const { seat, amount } of shared.pool.givers(resource, wanted, can)) {
    const child = childAt(seat);
    if (child) askShare(draft, shared, child, amountsOf({ [resource]: amount }));
  }
}

/** What those clearly below their share lack beyond what is free and what is asked for already. */
function unasked(shared: SharedNode, resource: Consumable): Amount {
  const lacking = shared.pool
    .belowShare(resource, LIMITS.amountMax as Amount)
    .reduce<Amount>((sum, { amount }) => addCapped(sum, amount), shared.wholeNeed(resource));
  return monus(monus(lacking, freeOf(shared.node, resource)), shared.owed(resource));
}
