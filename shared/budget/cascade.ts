/**
 * What follows when budget comes free: pending preemptions are fed first, a closing node hands the rest up, then those who wait are
 * served; and a closing node that is empty is closed. Each step is an event of its own.
 */
import { LIMITS } from "#std";
import { type Amount, ZERO } from "./amount.ts";
import type { ReportedUsage } from "./command.ts";
import { notTakingWork } from "./conflict.ts";
import { type Draft, emit, say } from "./draft.ts";
import { drawable, freeOfNode, shortOf } from "./free.ts";
import { grant } from "./grant.ts";
import { claimedWith, dequeue, isIdle, tell, turnAway } from "./queue.ts";
import { endIfMet, pendingOf, tellProgress } from "./reclaim.ts";
import { type Amounts, addAmounts, amountsOf, type Consumable, isNothing, leastAmounts, NOTHING } from "./resource.ts";
import type { Allocation, Reclaim, Waiter } from "./state.ts";
import { strategyAt, strategyNamed } from "./strategies/index.ts";

/** To be called after anything that may have freed budget at `node`. */
export function freed(draft: Draft, node: Allocation): void {
  if (node.side === "delegated" || node.state === "closed") return;
  feedReclaims(draft, node);
  if (node.state === "closing") {
    passUp(draft, node, freeOfNode(node));
    closeIfEmpty(draft, node);
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
  if (target.parent) freed(draft, target.parent);
  tellProgress(draft, target, reclaim);
}

/** What a preemption still wants, and the debts that it meets between the node and its target. */
function toBeLifted(target: Allocation, node: Allocation, reclaim: Reclaim): Amounts {
  let wanted = pendingOf(reclaim);
  for (let at = node; at !== target && at.parent; ) {
    at = at.parent;
    const owed = (resource: Consumable) => (wanted[resource] > 0 ? at.books[resource].debt : ZERO);
    wanted = addAmounts(wanted, amountsOf({ credits: owed("credits"), toolCalls: owed("toolCalls") }));
  }
  return wanted;
}

/** Lowers the node's limit by what is free and hands that to the parent, here or in another daemon. */
export function handBack(draft: Draft, node: Allocation, by: Amounts, preemptionId?: string): void {
  if (isNothing(by)) return;
  emit(draft, { type: "limit_lowered", atMs: draft.nowMs, allocationId: node.id, by, preemptionId }, node);
  if (node.side === "received") tellReturned(draft, node);
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

function passUp(draft: Draft, node: Allocation, free: Amounts): void {
  if (isNothing(free) || (node.parent === undefined && node.side === "local")) return;
  handBack(draft, node, free);
  if (node.parent) freed(draft, node.parent);
}

/** Answers those who wait at `node`, first in first out, as its strategy allows. */
export function serveWaiters(draft: Draft, node: Allocation): void {
  if (node.waiters.length === 0 || notTakingWork(node, draft.nowMs)) return;
  const raised: Allocation[] = [];
  let claimed = NOTHING;
  // Looking for backfill has an end; those further back have their turn when the queue has moved.
  for (let at = 0; at < Math.min(node.waiters.length, LIMITS.backfillScanMax); ) {
    const waiter = node.waiters[at] as Waiter;
    if (isIdle(draft.state, waiter)) turnAway(draft, waiter, "refused");
    else if (isServed(draft, node, waiter, claimed)) {
      const child = waiter.request.type === "raise" && draft.state.allocations.get(waiter.request.allocationId);
      if (child) raised.push(child);
    } else {
      claimed = claimedWith(claimed, waiter);
      at += 1;
    }
  }
  for (const child of raised) freed(draft, child);
}

function isServed(draft: Draft, node: Allocation, waiter: Waiter, claimed: Amounts): boolean {
  const { request, demand, effectKey: key, fingerprint: print } = waiter;
  if (shortOf(node, demand.min)) return false;
  const strategy = strategyNamed(request.strategy ?? strategyAt(node));
  if (strategy?.blockedBy({ demand, claimed, free: drawable(node) })) return false;
  dequeue(draft, waiter, "granted");
  tell(draft, request, grant(draft, { parent: node, wish: request, key, print }, demand));
  return true;
}

/** Serves those who wait anywhere in a tree that takes work again. */
export function resume(draft: Draft, node: Allocation): void {
  if (node.side === "delegated") return;
  serveWaiters(draft, node);
  for (const child of [...node.children]) resume(draft, child);
}

export function closeIfEmpty(draft: Draft, node: Allocation): void {
  if (node.state !== "closing" || node.children.size > 0 || node.liveHolds > 0) return;
  finish(draft, node);
}

/** Closes a node that can hold nothing any more; its parent gets the rest. */
export function finish(draft: Draft, node: Allocation): void {
  if (node.reclaims.size > 0) endReclaims(draft, node);
  emit(draft, { type: "allocation_closed", atMs: draft.nowMs, allocationId: node.id }, node);
  tellClosed(draft, node);
  if (node.parent) freed(draft, node.parent);
}

/** Tells the final account of a closed node. */
export function tellClosed(draft: Draft, node: Allocation): void {
  const { id: allocationId, side, epoch, usageSequence: sequence } = node;
  say(draft, { type: "closed", allocationId, side, epoch, sequence, usage: usageOf(node) });
}

function endReclaims(draft: Draft, { id: allocationId, reclaims }: Allocation): void {
  for (const preemptionId of [...reclaims.keys()]) {
    emit(draft, { type: "reclaim_ended", atMs: draft.nowMs, preemptionId, allocationId, cause: "closed" });
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
    callsPerTool: [...tally.callsPerTool],
    corrections: node.corrections + (node.writtenOff.standing === "corrected" ? 1 : 0),
    provisional: node.uncorrected > 0,
  };
}
