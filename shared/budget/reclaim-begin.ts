/**
 * How a preemption begins at a node, by its mode. All of them ask for budget back and feed it with what comes free.
 * - SHRINK takes what is free, here and in local descendants, and asks the holders of delegated ones for the rest.
 * - PAUSE stands until it is resumed: nothing below takes anything new, everybody below who is held elsewhere is paused there, and what is
 *   free goes back. Branch slots and memory stay held, for the work that stands still still uses them.
 * - STOP closes the node and all below it; what is in flight has until the end of the grace and a moment more, and is unconfirmed then.
 */
import { LIMITS } from "#std";
import { askForRest, askHolder } from "./ask-below.ts";
import { nextName, type ReclaimPlace } from "./asked.ts";
import { lift } from "./cascade.ts";
import { closeTree } from "./decide-close.ts";
import { type Draft, emit, say } from "./draft.ts";
import { reclaimable, reclaimableByStop, reclaimableWhilePaused } from "./free.ts";
import { reservedUnder } from "./keep-reserved.ts";
import type { PreemptionMode, Priority } from "./policy.ts";
import { endIfMet, endReclaim, pendingOf } from "./reclaim.ts";
import { type Amounts, isNothing, leastAmounts, monusAmounts } from "./resource.ts";
import type { Allocation, Reclaim } from "./state.ts";

export interface Reclaiming {
  readonly preemptionId: string;
  /** For SHRINK. Absent, and for PAUSE and STOP: all that can be had. */
  readonly wanted?: Amounts | undefined;
  readonly mode: PreemptionMode;
  /** Why, for people. */
  readonly reason: string;
  /** For STOP: time to end in peace before force. Default: none. */
  readonly graceMs?: number | undefined;
  /** Of whoever needs the budget; absent: a person's. */
  readonly claimantPriority?: Priority | undefined;
  /** Asked by the engine itself: what is paused goes on by itself (goes-on.ts). */
  readonly forOthers?: boolean;
}

/** The id must be new at the node, and the node not closed. */
export function beginReclaim(draft: Draft, node: Allocation, reclaiming: Reclaiming): void {
  const { preemptionId, mode, reason, graceMs = 0, claimantPriority } = reclaiming;
  if (mode === "PAUSE") supersede(draft, node, preemptionId);
  const most = mostOf(draft, node, mode);
  const wanted = mode === "SHRINK" && reclaiming.wanted ? leastAmounts(reclaiming.wanted, most) : most;
  const event = { type: "reclaim_requested", atMs: draft.nowMs, preemptionId, allocationId: node.id } as const;
  const grace = mode === "STOP" ? { graceMs } : {};
  const more = mode !== "SHRINK" && reclaiming.forOthers ? { ...grace, forOthers: true as const } : grace;
  emit(draft, { ...event, mode, reason, wanted, ...more });
  if (node.side === "delegated") askHolder(draft, node, preemptionId, claimantPriority);
  const reclaim = node.reclaims.get(preemptionId);
  if (!reclaim) return;
  if (mode === "STOP") stop(draft, node, { reason, graceMs });
  else if (node.side !== "delegated") {
    if (mode === "PAUSE") say(draft, { type: "paused", allocationId: node.id, preemptionId, reason });
    drawFrom(draft, node, node, preemptionId);
    if (mode === "PAUSE") pauseBelow(draft, { node, reclaim }, node);
    else askRest(draft, node, preemptionId);
  }
  endIfMet(draft, node, preemptionId);
}

/** What a pause takes is given back when it is over: what was only asked for the same claim is not asked for beside it, at any level. */
function supersede(draft: Draft, node: Allocation, preemptionId: string): void {
  const claim = sameClaim(preemptionId);
  if (claim === undefined) return;
  for (const reclaim of [...node.reclaims.values()]) {
    const isSame = reclaim.mode === "SHRINK" && sameClaim(reclaim.preemptionId) === claim;
    if (isSame) endReclaim(draft, { node, reclaim }, "cancelled");
  }
}

/** The same for all preemptions of an allocation for one claim, whatever the round; undefined: it is for no claim. */
function sameClaim(preemptionId: string): string | undefined {
  const [, claim, where] = /^(claim-\d+)\.\d+(.*)$/.exec(preemptionId) ?? [];
  return claim && `${claim}${where}`;
}

function mostOf({ state }: Draft, node: Allocation, mode: PreemptionMode): Amounts {
  if (mode === "STOP") return reclaimableByStop(node);
  if (mode === "PAUSE") return reclaimableWhilePaused(node);
  return monusAmounts(reclaimable(node), reservedUnder(state, node));
}

function askRest(draft: Draft, node: Allocation, preemptionId: string): void {
  const reclaim = node.reclaims.get(preemptionId);
  if (reclaim) askForRest(draft, { node, reclaim });
}

/** Takes what is free in `node` and its local descendants up to `target`, as far as the preemption wants it. */
function drawFrom(draft: Draft, target: Allocation, node: Allocation, preemptionId: string): void {
  const reclaim = target.reclaims.get(preemptionId);
  if (!reclaim || isNothing(pendingOf(reclaim)) || node.side === "delegated") return;
  lift(draft, target, node, reclaim);
  for (const child of node.children) drawFrom(draft, target, child, preemptionId);
}

/**
 * Whoever is held elsewhere must be told, however little there is to be had from it. Not who claims it: the node gives way to that one, and
 * what is in it goes with it, whatever priority it has there.
 */
function pauseBelow(draft: Draft, place: ReclaimPlace, node: Allocation): void {
  for (const child of node.children) {
    if (child.side !== "delegated") pauseBelow(draft, place, child);
    else if (child.state === "open") pauseChild(draft, place, child);
  }
}

function pauseChild(draft: Draft, place: ReclaimPlace, child: Allocation): void {
  const preemptionId = nextName(place, child);
  let wanted = reclaimableWhilePaused(child);
  for (const owed of child.reclaims.values()) wanted = monusAmounts(wanted, pendingOf(owed));
  const { mode, reason }: Reclaim = place.reclaim;
  const event = { type: "reclaim_requested", atMs: draft.nowMs, preemptionId, allocationId: child.id } as const;
  emit(draft, { ...event, mode, reason, wanted });
  askHolder(draft, child, preemptionId);
}

interface Stopping {
  readonly reason: string;
  readonly graceMs: number;
}

function stop(draft: Draft, node: Allocation, { reason, graceMs }: Stopping): void {
  closeTree(draft, node, reason);
  lapseBy(draft, node, draft.nowMs + Math.min(graceMs, LIMITS.graceMsMax) + LIMITS.stopSettleMs);
}

/** Calls in flight do not outlive the grace by more than it takes to settle what was ended by force; an extension is refused from now on. */
function lapseBy(draft: Draft, node: Allocation, atMs: number): void {
  for (const hold of [...node.holds]) {
    if (hold.state !== "live" || hold.expiresAtMs <= atMs) continue;
    emit(draft, { type: "hold_extended", atMs: draft.nowMs, holdId: hold.id, expiresAtMs: atMs }, hold);
  }
  for (const child of node.children) if (child.side !== "delegated") lapseBy(draft, child, atMs);
}
