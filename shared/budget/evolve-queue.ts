/** How requests wait, and how a preemption stands at an allocation until it is met. */
import { assert, LIMITS } from "#std";
import { owedChanged, pendingOf } from "./asked.ts";
import { withEntry, withLast, withoutEntry, withoutIndex } from "./collections.ts";
import { demandOf } from "./demand.ts";
import type { ReclaimEnded, ReclaimRequested, RequestDequeued, RequestQueued } from "./event.ts";
import { NOTHING } from "./resource.ts";
import type { Allocation, BudgetState, Effect, Waiter } from "./state.ts";

/** The waiting request of an effect, if it is one. */
export function waiterOf(effect: Effect | undefined): Waiter | undefined {
  return effect?.kind === "waiting" ? effect : undefined;
}

export function evolveRequestQueued(state: BudgetState, event: RequestQueued, parent: Allocation): void {
  state.waiterSequence += 1;
  const { parentId, effectKey, request, fingerprint, untilMs } = event;
  const waiting = { kind: "waiting", effectKey, parentId, request, fingerprint, untilMs } as const;
  const waiter: Waiter = { ...waiting, demand: demandOf(request), sequence: state.waiterSequence };
  parent.waiters = withLast(parent.waiters, waiter);
  state.effects.set(effectKey, waiter);
  state.due.waiters.add(waiter, untilMs);
}

/** The request waits no longer; if it was granted, the event that follows keeps its answer under the same key. */
export function evolveRequestDequeued(state: BudgetState, event: RequestDequeued): void {
  const waiter = waiterOf(state.effects.get(event.effectKey));
  assert(waiter !== undefined, `nothing waits under ${event.effectKey}`);
  const parent = state.allocations.get(waiter.parentId);
  assert(parent !== undefined, `the parent of ${event.effectKey} is gone`);
  parent.waiters = withoutIndex(parent.waiters, parent.waiters.indexOf(waiter));
  state.due.waiters.remove(waiter, waiter.untilMs);
  state.effects.delete(event.effectKey);
}

/** Asked again of a delegated allocation: only so much is expected from now on. */
export function evolveReclaimRequested(event: ReclaimRequested, node: Allocation): void {
  const { preemptionId, mode, reason, wanted } = event;
  const earlier = node.reclaims.get(preemptionId);
  const reclaim = { preemptionId, mode, reason, wanted, reclaimed: NOTHING };
  node.reclaims = withEntry(node.reclaims, preemptionId, reclaim);
  owedChanged(node, preemptionId, earlier ? pendingOf(earlier) : NOTHING);
}

export function evolveReclaimEnded(event: ReclaimEnded, node: Allocation): void {
  const reclaim = node.reclaims.get(event.preemptionId);
  assert(reclaim !== undefined, `unknown preemption ${event.preemptionId} at ${node.path}`);
  node.reclaims = withoutEntry(node.reclaims, event.preemptionId);
  owedChanged(node, event.preemptionId, pendingOf(reclaim));
  reclaim.asked = undefined;
  node.endedReclaims = withEntry(node.endedReclaims, event.preemptionId, reclaim);
  if (node.endedReclaims.size <= LIMITS.endedReclaimsMax) return;
  const [oldest = event.preemptionId] = node.endedReclaims.keys();
  node.endedReclaims = withoutEntry(node.endedReclaims, oldest);
}
