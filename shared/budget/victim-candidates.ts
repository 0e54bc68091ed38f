/** Who may have to give way at a node, as the plan sees it (strategies/victim-plan-candidate.ts): its open children, and lower claims. */
import { LIMITS } from "#std";
import { monus, most } from "./amount.ts";
import type { Draft } from "./draft.ts";
import { reclaimableByStop, reclaimableWhilePaused } from "./free.ts";
import { pausesAt } from "./paused.ts";
import { PRIORITIES, type Priority } from "./policy.ts";
import type { PreemptionRules } from "./preemption-rules.ts";
import { type Amounts, addAmounts, isNothing, monusAmounts, mostAmounts, NOTHING } from "./resource.ts";
import { type Allocation, heldShare } from "./state.ts";
import { levelOf, percentDone, type VictimCandidate } from "./strategies/victim-plan-candidate.ts";
import { owedBy, type Reach, unspentOf } from "./unspent.ts";
import { NO_HISTORY } from "./victims.ts";
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
  const leaving = child.reclaims.size > 0 && isLeaving(child);
  const unspent = child.doubtful || leaving ? NOTHING : unspentOf(child, reach);
  const mayTouch = reach === "all" && !child.doubtful;
  const mayPause = mayTouch && rules.worst !== "SHRINK" && pausesAt(child).length === 0;
  const { preemptedAtMs } = state.victims.historyOf(id) ?? NO_HISTORY;
  return {
    id,
    path,
    priority,
    grantedAtMs: Math.max(openedAtMs, preemptedAtMs ?? openedAtMs),
    unspent,
    byPause: mayPause ? byPausing(child, unspent, own) : undefined,
    byStop: mayTouch && rules.worst === "STOP" ? byStopping(child, unspent, own) : undefined,
    percentDone: done(child, nowMs),
    leaving,
    preemptedAtMs,
    exempt: exemptionOf(child),
  };
}

/** Nothing is ever taken from emergency work, nor from the final step of the node. */
function exemptionOf(child: Allocation): VictimCandidate["exempt"] {
  const { tranches } = child.parent ?? child;
  if (tranches.finalStep === child) return "WRAP_UP";
  const isEmergency = child.priority === "EMERGENCY" || tranches.madeUpOf(child).emergency > 0;
  return isEmergency ? "EMERGENCY_WORK" : undefined;
}

/** It is being stopped, or a person has paused it. What was paused for the sake of others may be stopped for them, after its cool-down. */
function isLeaving({ reclaims }: Allocation): boolean {
  for (const { mode, forOthers } of reclaims.values())
    if (mode === "STOP" || (mode === "PAUSE" && !forOthers)) return true;
  return false;
}

/** All credits and tool calls that it is not known to have used and owes to nobody else. Slots and memory it keeps. */
function byPausing(child: Allocation, unspent: Amounts, own: string): Amounts {
  return mostAmounts(unspent, monusAmounts(reclaimableWhilePaused(child), owedBy(child, own)));
}

/** All that it is not known to have used and owes to nobody else, and its own slot. */
function byStopping(child: Allocation, unspent: Amounts, own: string): Amounts {
  const back = monusAmounts(reclaimableByStop(child), owedBy(child, own));
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
  for (const [key, unspent] of node.waiters.earmarks.entries()) {
    const waiter = claimNamed(node, key);
    if (!waiter) continue;
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
