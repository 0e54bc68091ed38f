/** How requests wait, and how a preemption stands at an allocation until it is met. */
import { assert, LIMITS } from "#std";
import { owedChanged, pendingOf } from "./asked.ts";
import { withEntry, withoutEntry } from "./collections.ts";
import { demandOf } from "./demand.ts";
import type { PolicySet, ReclaimEnded, ReclaimRequested, RequestDequeued, RequestQueued } from "./event.ts";
import { namesAwaited, namesGivenUp, namesReordered, wantedBy } from "./evolve-access.ts";
import { endClaim } from "./evolve-claim.ts";
import { leaveIfIdle } from "./evolve-reservation.ts";
import { NOTHING } from "./resource.ts";
import { followQueueAsTried } from "./shadow-queue.ts";
import { followWaiter } from "./sharing.ts";
import { type Allocation, type BudgetState, type Effect, isUnder, type Waiter } from "./state.ts";
import { orderAt } from "./strategies/index.ts";
import { turnOf } from "./turn.ts";
import { NO_QUEUE, WaitQueue } from "./wait-queue.ts";
import { laneOf } from "./waiter.ts";

/** The waiting request of an effect, if it is one. */
export function waiterOf(effect: Effect | undefined): Waiter | undefined {
  return effect?.kind === "waiting" ? effect : undefined;
}

export function evolveRequestQueued(state: BudgetState, event: RequestQueued, parent: Allocation): void {
  const { parentId, effectKey, request, fingerprint, untilMs } = event;
  const waiting = { kind: "waiting", effectKey, parentId, request, fingerprint, untilMs } as const;
  const turn = turnOf(state, parent, request, event.atMs);
  const demand = demandOf(request);
  const shut = wantedBy({ request }) === undefined ? {} : { shut: true };
  const waiter: Waiter = { ...waiting, ...turn, demand, lane: laneOf(demand), ...shut };
  state.waiterSequence = waiter.sequence;
  joinQueue(parent, waiter);
  followQueueAsTried(state, parent, waiter, true);
  followWaiter(state, parent, waiter, true);
  state.effects.set(effectKey, waiter);
  state.due.waiters.add(waiter, untilMs);
  namesAwaited(state, parent, waiter);
}

/** The waiter takes its place at the node. */
export function joinQueue(node: Allocation, waiter: Waiter): void {
  if (node.waiters === NO_QUEUE) node.waiters = new WaitQueue(orderAt(node));
  // Where nobody waits, the order was that of the policy before, perhaps.
  else if (node.waiters.size === 0) node.waiters = node.waiters.reordered(orderAt(node));
  node.waiters.add(waiter);
}

/** The request waits no longer; if it was granted, the event that follows keeps its answer under the same key. */
export function evolveRequestDequeued(state: BudgetState, event: RequestDequeued): void {
  const waiter = waiterOf(state.effects.get(event.effectKey));
  assert(waiter !== undefined, `nothing waits under ${event.effectKey}`);
  const parent = state.allocations.get(waiter.parentId);
  assert(parent !== undefined, `the parent of ${event.effectKey} is gone`);
  endClaim(state, parent, waiter);
  parent.waiters.remove(waiter);
  leaveIfIdle(parent);
  followQueueAsTried(state, parent, waiter, false);
  followWaiter(state, parent, waiter, false);
  state.due.waiters.remove(waiter, waiter.untilMs);
  state.effects.delete(event.effectKey);
  namesGivenUp(state, waiter);
}

/** The policy of a node, and with it the order in which requests wait there and below, where the policy is inherited. */
export function evolvePolicySet(state: BudgetState, { policy }: PolicySet, node: Allocation): void {
  node.policy = policy;
  state.shadows.policySet(node);
  for (const queued of queuedUnder(state, node)) {
    const order = orderAt(queued);
    const { order: before } = queued.waiters;
    if (order.name === before.name && order.agingStepMs === before.agingStepMs) continue;
    queued.waiters = queued.waiters.reordered(order);
  }
  if (state.names.size > 0) namesReordered(state);
}

/**
 * The nodes where somebody waits, among this one and all below it. It looks at those who wait, each of which becomes due some time, and not
 * at the tree: a person's change of one policy costs as much as there are requests waiting, however large the tree is.
 */
export function queuedUnder(state: BudgetState, node: Allocation): Set<Allocation> {
  const found = new Set<Allocation>();
  for (const { parentId } of state.due.waiters.items()) {
    const parent = state.allocations.get(parentId);
    assert(parent !== undefined, `a request waits at the unknown allocation ${parentId}`);
    if (isUnder(parent, node)) found.add(parent);
  }
  return found;
}

/** Asked again of a delegated allocation: only so much is expected from now on. Of a pause, which lasts: in all. */
export function evolveReclaimRequested(event: ReclaimRequested, node: Allocation): void {
  const { preemptionId, mode, reason, wanted, graceMs, forOthers } = event;
  const earlier = node.reclaims.get(preemptionId);
  const keepsCount = earlier?.mode === "PAUSE" || event.exhausted;
  const reclaimed = keepsCount && earlier ? earlier.reclaimed : NOTHING;
  const asked = earlier?.mode === "PAUSE" && earlier.asked ? { asked: earlier.asked } : {};
  const grace = graceMs === undefined ? {} : { graceMs };
  const own = (forOthers ?? earlier?.forOthers) ? ({ forOthers: true } as const) : {};
  const done = (event.exhausted ?? earlier?.exhausted) ? ({ exhausted: true } as const) : {};
  const reclaim = { preemptionId, mode, reason, wanted, reclaimed, ...grace, ...own, ...done, ...asked };
  node.reclaims = withEntry(node.reclaims, preemptionId, reclaim);
  owedChanged(node, preemptionId, earlier ? pendingOf(earlier) : NOTHING);
  node.parent?.waiters.claims.giverMoved(node.id);
}

export function evolveReclaimEnded(state: BudgetState, event: ReclaimEnded, node: Allocation): void {
  const reclaim = node.reclaims.get(event.preemptionId);
  assert(reclaim !== undefined, `unknown preemption ${event.preemptionId} at ${node.path}`);
  if (reclaim.forOthers) state.victims.wentOn(node.id, event.atMs);
  node.reclaims = withoutEntry(node.reclaims, event.preemptionId);
  owedChanged(node, event.preemptionId, pendingOf(reclaim));
  node.parent?.waiters.claims.giverMoved(node.id);
  reclaim.asked = undefined;
  node.endedReclaims = withEntry(node.endedReclaims, event.preemptionId, reclaim);
  if (node.endedReclaims.size <= LIMITS.endedReclaimsMax) return;
  const [oldest = event.preemptionId] = node.endedReclaims.keys();
  node.endedReclaims = withoutEntry(node.endedReclaims, oldest);
}
