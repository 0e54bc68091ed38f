/** Who may have to give way at a node, as the plan sees it (strategies/victim-plan-candidate.ts): its open children, and lower claims. */
import { LIMITS } from "#std";
import { monus, most } from "./amount.ts";
import type { Draft } from "./draft.ts";
import { reclaimable } from "./free.ts";
import { PRIORITIES, type Priority } from "./policy.ts";
import type { PreemptionRules } from "./preemption-rules.ts";
import { type Amounts, addAmounts, isNothing, monusAmounts, mostAmounts, NOTHING } from "./resource.ts";
import { type Allocation, heldShare } from "./state.ts";
import { levelOf, percentDone, type VictimCandidate } from "./strategies/victim-plan-candidate.ts";
import { owedBy, type Reach, unspentOf } from "./unspent.ts";
import type { Waiter } from "./waiter.ts";

export interface Looked {
  readonly candidates: readonly VictimCandidate[];
  /** Not all were looked at. */
  readonly cut: boolean;
}

export interface Looking {
  readonly below: Priority;
  readonly rules: PreemptionRules;
  /** "at_once": only what comes back in this decision; nothing running is touched. */
  readonly reach: Reach;
  /** How preemptions for the claimant itself are named. */
  readonly own: string;
}

export function candidatesAt(draft: Draft, node: Allocation, { below, ...looking }: Looking): Looked {
  const { nowMs, state } = draft;
  const openedUntilMs = nowMs - looking.rules.protectMs;
  const look = { below, openedUntilMs, max: LIMITS.victimScanMax, freshMax: LIMITS.sparedNamedMax };
  const { items, fresh, cut } = state.victims.under(node).look(look);
  const candidates = [...items, ...fresh].map((child) => candidate(draft, child, looking));
  return { candidates: [...candidates, ...lowerClaims(node, below, openedUntilMs)], cut };
}

function candidate(
  { state, nowMs }: Draft,
  child: Allocation,
  { rules, reach, own }: Omit<Looking, "below">,
): VictimCandidate {
  const { id, path, priority, openedAtMs } = child;
  const leaving = child.parent?.waiters.claims.isLeaving(id) || [...child.reclaims.values()].some(isLasting);
  const unspent = child.doubtful || leaving ? NOTHING : unspentOf(child, reach);
  const mayStop = rules.worst === "STOP" && reach === "all" && !child.doubtful;
  return {
    id,
    path,
    priority,
    grantedAtMs: openedAtMs,
    unspent,
    byStop: mayStop ? byStopping(child, unspent, own) : undefined,
    percentDone: done(child, nowMs),
    leaving,
    preemptedAtMs: state.victims.historyOf(id)?.preemptedAtMs,
  };
}

/** A pause or a stop stands at it already. */
function isLasting({ mode }: { readonly mode: string }): boolean {
  return mode !== "SHRINK";
}

/** All that it is not known to have used and owes to nobody else, and its own slot. */
function byStopping(child: Allocation, unspent: Amounts, own: string): Amounts {
  const back = monusAmounts(reclaimable(child), owedBy(child, own));
  const slot = monus(heldShare(child, "branches"), child.held.branches.limit);
  return mostAmounts(unspent, addAmounts(back, { ...NOTHING, branches: slot }));
}

/** How far its work has got, by credits or tool calls, whichever says more, and by its time. */
function done(child: Allocation, nowMs: number): number {
  const { books, deadlineAtMs, openedAtMs } = child;
  const ranMs = nowMs - openedAtMs;
  const durationMs = deadlineAtMs === undefined ? undefined : deadlineAtMs - openedAtMs;
  const byBook = (["credits", "toolCalls"] as const)
    .filter((resource) => !books[resource].elastic && books[resource].limit > 0)
    .map((resource) => ({ used: books[resource].usage, limit: most(books[resource].limit, books[resource].usage) }));
  const known = byBook.length > 0 ? byBook : [{ used: books.credits.usage, limit: undefined }];
  return Math.max(...known.map(({ used, limit }) => percentDone({ used, limit, ranMs, durationMs })));
}

/** Room that is set aside for claims of lower priority is unspent budget of theirs. */
function lowerClaims(node: Allocation, below: Priority, grantedAtMs: number): VictimCandidate[] {
  const found: VictimCandidate[] = [];
  for (const { waiter } of node.waiters.claims.values()) {
    const unspent = node.waiters.earmarks.of(waiter.effectKey);
    const priority = PRIORITIES[waiter.base] ?? "LOW";
    if (isNothing(unspent) || waiter.base >= levelOf(below)) continue;
    const path = `${node.path}, set aside for ${waiter.request.requestId}`;
    found.push({ id: waiter.effectKey, path, priority, grantedAtMs, unspent, percentDone: 0 });
  }
  return found;
}

/** Whether a candidate is a claim, and so which. */
export function claimNamed(node: Allocation, id: string): Waiter | undefined {
  return node.waiters.claims.get(id)?.waiter;
}
