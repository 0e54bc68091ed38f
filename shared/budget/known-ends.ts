/**
 * When budget will come free at a node, as far as that is known: by the deadlines of its open children, at which they close. What has no
 * deadline, or is a call in flight, gives back at a time that nobody knows, and counts as never; what ends earlier than it must is a
 * surprise to the good. Of more than LIMITS.knownEndsScanMax children nothing is known, nor while a child closes that has some of it: that
 * may come back at any moment.
 */
import { LIMITS } from "#std";
import { freeOf, isConsumable } from "./free.ts";
import { bookOf } from "./ledger.ts";
import { freeNow } from "./reservation-calendar.ts";
import { markOf } from "./reservation-mark.ts";
import type { Resource } from "./resource.ts";
import { type Allocation, heldShare } from "./state.ts";
import type { Sight } from "./tranches.ts";

/** What the child gives back when it closes: of a consumable what it has not used so far. */
function givesBack(child: Allocation, resource: Resource): number {
  if (!isConsumable(resource)) return heldShare(child, resource);
  const { limit, usage } = bookOf(child, resource);
  return Math.max(0, limit - usage);
}

export interface Need {
  readonly node: Allocation;
  readonly resource: Resource;
  readonly needed: number;
  readonly nowMs: number;
  /** For whom; default: for everybody. */
  readonly sight?: Sight | undefined;
}

/**
 * Engine time by which so much of the resource is free at the node if nobody else takes of it; undefined when that is not known. Sure for a
 * held resource; for a consumable it supposes that what runs spends nothing more.
 */
export function roomAtMs({ node, resource, needed, nowMs, sight }: Need): number | undefined {
  let missing = needed - (isConsumable(resource) ? freeOf(node, resource, sight) : freeNow(node, resource));
  if (missing <= 0) return nowMs;
  if (node.children.size > LIMITS.knownEndsScanMax) return undefined;
  const ends: { readonly atMs: number; readonly amount: number }[] = [];
  for (const child of node.children) {
    const amount = givesBack(child, resource);
    if (amount === 0) continue;
    if (child.state !== "open") return undefined;
    if (child.deadlineAtMs !== undefined) ends.push({ atMs: child.deadlineAtMs, amount });
  }
  const { earmarks, reservations } = node.waiters;
  for (const { id, endsAtMs } of reservations.values()) {
    ends.push({ atMs: endsAtMs, amount: earmarks.of(markOf(id))[resource] });
  }
  ends.sort((a, b) => a.atMs - b.atMs);
  for (const { atMs, amount } of ends) {
    missing -= amount;
    if (missing <= 0) return Math.max(atMs, nowMs);
  }
  return undefined;
}
