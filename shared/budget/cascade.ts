/**
 * What follows when budget comes free: pending preemptions are fed first, a closing node hands the rest up, then those who wait are
 * served; and a closing node that is empty is closed. Each step is an event of its own.
 */
import { type Amount, ZERO } from "./amount.ts";
import { NO_LIST } from "./collections.ts";
import type { ReportedUsage } from "./command.ts";
import { type Draft, emit, say } from "./draft.ts";
import { fillReservations } from "./fill-reservations.ts";
import { freeOfNode, owedAt } from "./free.ts";
import { lendAgain } from "./lend-kept.ts";
import { tellLow, useOf } from "./low-budget.ts";
import { endIfMet, pendingOf, tellProgress, tellStopped } from "./reclaim.ts";
import { backAtClose, gaveWay } from "./reserve-room.ts";
import {
  type Amounts,
  addAmounts,
  amountsOf,
  HELD_RESOURCES,
  isNothing,
  leastAmounts,
  type Resource,
} from "./resource.ts";
import { serveQueue } from "./serve-waiters.ts";
import { shareLater } from "./share-later.ts";
import type { Allocation, Reclaim } from "./state.ts";

/** To be called after anything that may have freed budget at `node`. */
export function freed(draft: Draft, node: Allocation): void {
  if (node.side === "delegated" || node.state === "closed") return;
  feedReclaims(draft, node);
  if (node.state === "closing") {
    const free = freeOfNode(node);
    const handsUp = isHandedUp(node, free);
    if (handsUp) handBack(draft, node, free);
    // The last of it comes back with the close: those who wait above see all of it at once.
    if (!closeIfEmpty(draft, node) && handsUp && node.parent) freed(draft, node.parent);
    return;
  }
  if (node.pooled.length > 0) passUp(draft, node, pooledFree(node));
  serveWaiters(draft, node);
}

/** Feeds the oldest preemption that wants something, at the node or the nearest ancestor that has one. */
function feedReclaims(draft: Draft, node: Allocation): void {
  for (let target: Allocation | undefined = node; target; target = target.parent) {
    if (target.reclaims.size === 0) continue;
    for (const reclaim of [...target.reclaims.values()]) {
      // What the one before has brought may have met the claim that both were for.
      if (target.reclaims.get(reclaim.preemptionId) !== reclaim) continue;
      lift(draft, target, node, reclaim);
      endIfMet(draft, target, reclaim.preemptionId);
    }
  }
}

/** Moves free budget from `node` up to the target and out of it; what pays a debt on the way stays there. */
export function lift(draft: Draft, target: Allocation, node: Allocation, reclaim: Reclaim): void {
  let by = leastAmounts(freeOfNode(node), toBeLifted(target, node, reclaim));
  for (let at = node; at !== target && !isNothing(by); ) {
    handBack(draft, at, by);
    if (!at.parent) return;
    at = at.parent;
    by = leastAmounts(by, freeOfNode(at));
  }
  if (isNothing(by)) return;
  handBack(draft, target, by, reclaim.preemptionId);
  const pending = pendingOf(reclaim);
  if (HELD_RESOURCES.some((resource) => by[resource] > 0 && pending[resource] === 0)) lendAgain(draft, target);
  if (target.parent) freed(draft, target.parent);
  tellProgress(draft, target, reclaim);
}

/** What a preemption still wants, and what it meets between the node and its target: debts, and what lacks of what is kept for later. */
function toBeLifted(target: Allocation, node: Allocation, reclaim: Reclaim): Amounts {
  let wanted = pendingOf(reclaim);
  for (let at = node; at !== target && at.parent; ) {
    at = at.parent;
    const owed = (resource: Resource) => (wanted[resource] > 0 ? owedAt(at, resource) : ZERO);
    wanted = addAmounts(wanted, {
      credits: owed("credits"),
      toolCalls: owed("toolCalls"),
      branches: owed("branches"),
      memoryBytes: owed("memoryBytes"),
    });
  }
  return wanted;
}

/** Lowers the node's limit by what is free and hands that to the parent, here or in another daemon. */
export function handBack(draft: Draft, node: Allocation, by: Amounts, preemptionId?: string): void {
  if (isNothing(by)) return;
  const before = node.state === "open" ? useOf(node) : undefined;
  emit(draft, { type: "limit_lowered", atMs: draft.nowMs, allocationId: node.id, by, preemptionId }, node);
  if (before) tellLow(draft, node, before);
  if (node.side === "received") tellReturned(draft, node);
  gaveWay(draft, node, by, preemptionId);
}

/** Tells the tier above what a received grant has given back in total. */
export function tellReturned(draft: Draft, { id: allocationId, epoch, returnedTotal }: Allocation): void {
  say(draft, { type: "returned", allocationId, epoch, returnedTotal });
}

/** What is free of the consumables that the node does not keep. */
function pooledFree(node: Allocation): Amounts {
  const free = freeOfNode(node);
  return amountsOf(Object.fromEntries(node.pooled.map((resource) => [resource, free[resource]])));
}

/** Whether there is something, and somebody above to have it. */
function isHandedUp(node: Allocation, free: Amounts): boolean {
  return !isNothing(free) && (node.parent !== undefined || node.side !== "local");
}

function passUp(draft: Draft, node: Allocation, free: Amounts): void {
  if (!isHandedUp(node, free)) return;
  handBack(draft, node, free);
  if (node.parent) freed(draft, node.parent);
}

/** Answers those who wait at `node`, in their order, as its strategy allows. */
export function serveWaiters(draft: Draft, node: Allocation): void {
  shareLater(draft, node);
  if (node.waiters.reservations.size > 0) fillReservations(draft, node);
  if (node.waiters.size === 0) return;
  for (const child of serveQueue(draft, node)) freed(draft, child);
}

/** Serves those who wait anywhere in a tree that takes work again. */
export function resume(draft: Draft, node: Allocation): void {
  if (node.side === "delegated") return;
  serveWaiters(draft, node);
  for (const child of [...node.children]) resume(draft, child);
}

/** True when it is closed now. */
function closeIfEmpty(draft: Draft, node: Allocation): boolean {
  if (node.state !== "closing" || node.children.size > 0 || node.liveHolds > 0) return false;
  finish(draft, node);
  return true;
}

/** Closes a node that can hold nothing any more; its parent gets the rest. */
export function finish(draft: Draft, node: Allocation): void {
  if (node.reclaims.size > 0) endReclaims(draft, node);
  const { credits, toolCalls } = node.books;
  // What is unconfirmed is spent then.
  const before = credits.unconfirmed > 0 || toolCalls.unconfirmed > 0 ? useOf(node) : undefined;
  emit(draft, { type: "allocation_closed", atMs: draft.nowMs, allocationId: node.id }, node);
  if (before) tellLow(draft, node, before);
  // For most nobody claims, and what comes back need not be counted.
  if (node.parent && node.parent.waiters.claims.size > 0) gaveWay(draft, node, backAtClose(node));
  tellClosed(draft, node);
  if (node.parent) freed(draft, node.parent);
}

/** Tells the final account of a closed node. */
export function tellClosed(draft: Draft, node: Allocation): void {
  const { id: allocationId, side, epoch, usageSequence: sequence } = node;
  say(draft, { type: "closed", allocationId, side, epoch, sequence, usage: usageOf(node) });
}

function endReclaims(draft: Draft, node: Allocation): void {
  for (const reclaim of [...node.reclaims.values()]) {
    const { preemptionId, mode } = reclaim;
    emit(draft, { type: "reclaim_ended", atMs: draft.nowMs, preemptionId, allocationId: node.id, cause: "closed" });
    if (mode !== "SHRINK") tellStopped(draft, node, reclaim);
  }
}

/** The cumulative usage of the node's subtree, as it is reported to a parent. */
export function usageOf(node: Allocation): ReportedUsage {
  const { books, held, tally } = node;
  return {
    credits: books.credits.usage,
    toolCalls: books.toolCalls.usage,
    overrunCredits: books.credits.overrun,
    overrunToolCalls: books.toolCalls.overrun,
    branchesPeak: held.branches.peak,
    memoryPeakBytes: tally.memoryPeakBytes as Amount,
    networkBytes: tally.networkBytes,
    diskBytes: tally.diskBytes,
    gpuMs: tally.gpuMs,
    callsPerTool: tally.callsPerTool.size === 0 ? NO_LIST : [...tally.callsPerTool],
    corrections: node.corrections + (node.writtenOff.standing === "corrected" ? 1 : 0),
    provisional: node.uncorrected > 0,
  };
}
