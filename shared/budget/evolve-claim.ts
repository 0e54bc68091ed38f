/** How claims come about, what is set aside for them, and how they end. */
import { assert } from "#std";
import { NO_CLAIMS } from "./claims.ts";
import { NO_EARMARKS } from "./earmarks.ts";
import type { ClaimPlanned, RoomReserved } from "./event.ts";
import type { Allocation, BudgetState, Waiter } from "./state.ts";

export function evolveClaimPlanned(state: BudgetState, event: ClaimPlanned, node: Allocation): void {
  const { effectKey, givers, lookAtMs, round, atMs } = event;
  const waiter = state.effects.get(effectKey);
  assert(waiter?.kind === "waiting" && waiter.parentId === node.id, `${effectKey} does not wait at ${node.path}`);
  const { waiters } = node;
  const known = waiters.claims.get(effectKey);
  const earlier = new Set(known?.givers.map(({ preemptionId, allocationId: id }) => `${preemptionId} ${id}`));
  // No new plan, and nobody owes anything: what was set aside is not enough, and others may have it.
  if (givers.length === 0 && known?.round === round) waiters.earmarks.end(effectKey);
  if (known) {
    state.due.claims.remove(waiter, known.lookAtMs);
    waiters.claims.plan(known, { givers, lookAtMs, round });
  } else waiters.claim({ waiter, givers, lookAtMs, round });
  state.due.claims.add(waiter, lookAtMs);
  for (const { allocationId, preemptionId, mode } of givers) {
    if (mode !== "SHRINK" && !earlier.has(`${preemptionId} ${allocationId}`)) preempted(state, allocationId, atMs);
  }
}

function preempted(state: BudgetState, allocationId: string, atMs: number): void {
  const openedAtMs = state.allocations.get(allocationId)?.openedAtMs ?? atMs;
  const { arrivedAtMs = openedAtMs } = state.victims.historyOf(allocationId) ?? {};
  state.victims.remember(allocationId, { arrivedAtMs, preemptedAtMs: atMs });
}

export function evolveRoomReserved(event: RoomReserved, node: Allocation): void {
  const { effectKey, by, fromEffectKey: from } = event;
  const { earmarks } = node.waiters;
  if (from !== undefined) earmarks.take(from, by);
  earmarks.add(effectKey, by);
}

/** The request does not wait any longer; what was set aside for it is free. */
export function endClaim(state: BudgetState, node: Allocation, waiter: Waiter): void {
  const { claims, earmarks } = node.waiters;
  if (earmarks !== NO_EARMARKS) earmarks.end(waiter.effectKey);
  if (claims === NO_CLAIMS) return;
  const claim = claims.get(waiter.effectKey);
  if (!claim) return;
  state.due.claims.remove(waiter, claim.lookAtMs);
  claims.delete(waiter.effectKey);
}
