/** The next attempt of preempted work: it has its turn as the first one had, and is left alone for the cool-down. */
import { listOf } from "./collections.ts";
import type { GrantWish } from "./command.ts";
import { answerOf } from "./effect.ts";
import type { Limits } from "./resource.ts";
import type { Allocation, BudgetState } from "./state.ts";
import { type History, NO_HISTORY } from "./victims.ts";

/**
 * What is known of the work whose next attempt this is. Nothing when the wish names none, or one that was not preempted, goes on, or had
 * another parent: then it is a new request. Who may name one is for the daemon to say that makes the wish; no client can.
 */
export function attemptHistory(state: BudgetState, wish: GrantWish): History {
  if (wish.type !== "open" || wish.attemptOf === undefined) return NO_HISTORY;
  const history = state.victims.historyOf(wish.attemptOf);
  if (history?.preemptedAtMs === undefined) return NO_HISTORY;
  const before = state.allocations.get(wish.attemptOf);
  return before && (before.state === "open" || before.parent?.id !== wish.parentId) ? NO_HISTORY : history;
}

/** Whether the work was stopped for the sake of others, and by nobody else: it may be tried again. */
export function gaveWay({ reclaims, endedReclaims }: Allocation): boolean {
  const stops = [...reclaims.values(), ...endedReclaims.values()].filter(({ mode }) => mode === "STOP");
  return stops.length > 0 && stops.every(({ forOthers }) => forOthers === true);
}

/** The limits with which the work was begun, as long as the answer to its request is kept. */
export function limitsAtOpening(
  state: BudgetState,
  { id, effectKeys, deadlineAtMs, openedAtMs, parent }: Allocation,
): Limits | undefined {
  const isOwn = deadlineAtMs !== undefined && deadlineAtMs !== parent?.deadlineAtMs;
  const duration = isOwn ? { durationMs: deadlineAtMs - openedAtMs } : {};
  for (const key of listOf(effectKeys)) {
    const effect = state.effects.get(key);
    const answer = effect && answerOf(effect);
    if (answer?.type === "opened" && answer.allocationId === id) return { ...answer.limits, ...duration };
  }
  return undefined;
}
