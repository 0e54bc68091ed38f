/**
 * What a preemption cannot take here is asked of the daemons that hold delegated descendants, in the order in which those were opened,
 * each for at most what is not known to be used there and nobody has asked for. When one of them shows that it has used what was asked of
 * it, or closes and owes something, the others are asked for that: never for more in all than is still wanted. Whom to ask is found by a
 * walk over all of them, so that small parts wait until they are worth one; at the latest until nobody owes anything.
 */
import { LIMITS } from "#std";
import { add, monus } from "./amount.ts";
import { askedFor, nextName, type ReclaimPlace, withoutExhausted } from "./asked.ts";
import { finish } from "./cascade.ts";
import { type Draft, emit, say } from "./draft.ts";
import { reclaimable } from "./free.ts";
import type { Priority } from "./policy.ts";
import { pendingOf, rest } from "./reclaim.ts";
import {
  type Amounts,
  type Consumable,
  isNothing,
  leastAmounts,
  monusAmounts,
  NOTHING,
  RESOURCES,
} from "./resource.ts";
import { shareLater } from "./share-later.ts";
import { isShareAsk } from "./share-wish.ts";
import type { Allocation, Reclaim } from "./state.ts";

/** `claimantPriority`: of whoever needs it; absent: a person's, or not known any more. */
export function askHolder(draft: Draft, node: Allocation, preemptionId: string, claimantPriority?: Priority): void {
  const reclaim = node.reclaims.get(preemptionId);
  if (!reclaim || node.peer === undefined) return;
  const { mode, reason, graceMs } = reclaim;
  const { peer: holder, id: allocationId, epoch } = node;
  const amounts = pendingOf(reclaim);
  const more = {
    ...(graceMs === undefined ? {} : { graceMs }),
    ...(claimantPriority === undefined ? {} : { claimantPriority }),
  };
  say(draft, { type: "reclaim_child", holder, allocationId, epoch, preemptionId, amounts, mode, reason, ...more });
}

/** A part that is worth a walk: one of so many of what is still wanted. */
const WORTHY_PARTS = 16;

/** Asks for what is still wanted and not asked for yet. */
export function askForRest(draft: Draft, place: ReclaimPlace): void {
  const left = unasked(place);
  if (!isNothing(leastAmounts(left, unaskedBelow(place.node)))) askChildren(draft, place, { node: place.node, left });
}

function unasked({ reclaim }: ReclaimPlace): Amounts {
  return monusAmounts(pendingOf(reclaim), reclaim.asked ?? NOTHING);
}

function isWorthy(place: ReclaimPlace): boolean {
  const left = unasked(place);
  const pending = pendingOf(place.reclaim);
  return RESOURCES.some((resource) => left[resource] > 0 && left[resource] >= pending[resource] / WORTHY_PARTS);
}

/** To be called when a delegated allocation owes less than before, for whatever reason. */
export function askOthers(draft: Draft, child: Allocation): void {
  for (let node = child.parent; node; node = node.parent) {
    if (node.reclaims.size === 0) continue;
    for (const reclaim of [...node.reclaims.values()]) {
      // Of a pause and a stop all are asked at once.
      if (reclaim.mode !== "SHRINK") rest(draft, node, reclaim);
      else if (isWorthy({ node, reclaim })) askForRest(draft, { node, reclaim });
    }
  }
}

/** No more than this is there to be asked for; it is less where ancestors are preempted too. Spares a walk over children who have nothing. */
function unaskedBelow(node: Allocation): Amounts {
  const there = (resource: Consumable) => {
    const { granted, inDoubt, usage, spent } = node.books[resource];
    return monus(add(granted, inDoubt), monus(usage, spent));
  };
  const { branches, memoryBytes } = node.held;
  const held = { branches: branches.inUse, memoryBytes: memoryBytes.inUse };
  let left: Amounts = { credits: there("credits"), toolCalls: there("toolCalls"), ...held };
  for (const { asked } of node.reclaims.values()) if (asked) left = monusAmounts(left, asked);
  return left;
}

interface Asking {
  readonly node: Allocation;
  readonly left: Amounts;
}

/** Answers what remains unasked. */
function askChildren(draft: Draft, place: ReclaimPlace, { node, left }: Asking): Amounts {
  let wanted = left;
  for (const child of node.children) {
    if (isNothing(wanted)) return wanted;
    if (child.side === "delegated")
      wanted = monusAmounts(wanted, askChild(draft, place, { node: child, left: wanted }));
    else wanted = askChildren(draft, place, { node: child, left: wanted });
  }
  return wanted;
}

/** Answers what it was asked for. */
function askChild(draft: Draft, place: ReclaimPlace, { node: child, left }: Asking): Amounts {
  let room = withoutExhausted(child, reclaimable(child));
  for (const owed of child.reclaims.values()) room = monusAmounts(room, pendingOf(owed));
  const wanted = leastAmounts(left, room);
  if (isNothing(wanted) || child.reclaims.size >= LIMITS.pendingReclaimsMax) return NOTHING;
  const { mode, reason } = place.reclaim;
  const preemptionId = nextName(place, child);
  const event = { type: "reclaim_requested", atMs: draft.nowMs, preemptionId, allocationId: child.id } as const;
  emit(draft, { ...event, mode, reason, wanted });
  askHolder(draft, child, preemptionId);
  return wanted;
}

/** To be called when more of a delegated allocation is known to be used: what it owes and cannot give any more is asked of others. */
export function askElsewhere(draft: Draft, child: Allocation): void {
  if (child.reclaims.size === 0) return;
  let room = reclaimable(child);
  for (const owed of [...child.reclaims.values()]) {
    const pending = pendingOf(owed);
    const kept = leastAmounts(pending, room);
    room = monusAmounts(room, kept);
    if (isNothing(monusAmounts(pending, kept))) continue;
    if (owed.mode !== "SHRINK") {
      rest(draft, child, owed);
      continue;
    }
    // What it owes to its own preemption it goes on owing: its limit may be raised.
    if (askedFor(child, owed.preemptionId)) letGo(draft, child, owed, kept);
    else if (isShareAsk(owed.preemptionId)) {
      letGo(draft, child, owed, kept);
      if (child.parent) shareLater(draft, child.parent);
    }
  }
  askOthers(draft, child);
}

/** Of what the allocation owes only this much is expected any more. */
function letGo(draft: Draft, { id: allocationId }: Allocation, owed: Reclaim, kept: Amounts): void {
  const { preemptionId, mode, reason } = owed;
  const event = { atMs: draft.nowMs, preemptionId, allocationId } as const;
  if (isNothing(kept)) emit(draft, { ...event, type: "reclaim_ended", cause: "cancelled" });
  else emit(draft, { ...event, type: "reclaim_requested", mode, reason, wanted: kept });
}

/** Closes a delegated allocation of which nothing more comes; what it owed is asked of others. */
export function finishHeld(draft: Draft, node: Allocation): void {
  finish(draft, node);
  askOthers(draft, node);
}
