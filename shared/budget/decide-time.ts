/** What time alone brings about: holds lapse, leases end, deadlines pass, waits run out, memory is given up. */
import { freed, serveWaiters } from "./cascade.ts";
import { closeTree } from "./decide-close.ts";
import { type Draft, emit, say } from "./draft.ts";
import { waiterOf } from "./evolve-queue.ts";
import { keepTime } from "./keep-reservations.ts";
import { lookAgain } from "./preempt-for.ts";
import { turnAway } from "./queue.ts";
import type { Allocation, BudgetState } from "./state.ts";

/** Why a node closes at its deadline; the same words in every tier. */
export const DEADLINE_PASSED = "its deadline has passed";

/** Engine time of the next thing that is due; undefined when nothing is. */
export function nextDueMs(state: BudgetState): number | undefined {
  const { holds, leases, deadlines, waiters, claims } = state.due;
  const calls = earlier(holds.nextAtMs(), state.ended.nextAtMs());
  const nodes = earlier(leases.nextAtMs(), deadlines.nextAtMs());
  const waits = earlier(waiters.nextAtMs(), claims.nextAtMs());
  return earlier(earlier(calls, nodes), earlier(waits, state.reservations.nextAtMs()));
}

/** It is asked after every decision. */
function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a < b ? a : b;
}

export function decideTick(draft: Draft): void {
  const { state, nowMs } = draft;
  for (const hold of state.due.holds.takeDue(nowMs)) {
    if (hold.state !== "live") continue;
    emit(draft, { type: "hold_lapsed", atMs: nowMs, holdId: hold.id });
    freed(draft, hold.allocation);
  }
  for (const node of state.due.leases.takeDue(nowMs)) endLease(draft, node);
  for (const node of state.due.deadlines.takeDue(nowMs)) closeTree(draft, node, DEADLINE_PASSED);
  keepTime(draft);
  for (const waiter of state.due.waiters.takeDue(nowMs)) {
    const parent = state.allocations.get(waiter.parentId);
    if (!parent || waiterOf(state.effects.get(waiter.effectKey)) !== waiter) continue;
    turnAway(draft, waiter, "timed_out");
    serveWaiters(draft, parent);
  }
  for (const waiter of state.due.claims.takeDue(nowMs)) lookAgain(draft, waiter);
  const forgetAtMs = state.ended.nextAtMs();
  if (forgetAtMs !== undefined && forgetAtMs <= nowMs) {
    emit(draft, { type: "memory_released", atMs: nowMs, upToMs: nowMs });
  }
}

/** The parent falls into doubt about what was not reported; the holder only learns that it may not spend (I6). */
function endLease(draft: Draft, node: Allocation): void {
  if (node.state === "closed") return;
  if (node.side === "delegated" && !node.doubtful) {
    emit(draft, { type: "lease_ended", atMs: draft.nowMs, allocationId: node.id });
  }
  say(draft, { type: "lease_ended", allocationId: node.id, holder: node.peer });
}
