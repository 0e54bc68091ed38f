/**
 * Going on after a PAUSE. It gives back what the pause took, all or nothing, and ends the pause here and wherever it had to be told below;
 * who is held there gets back what it gave, in the order of opening, as far as there is something (what was in flight may have cost more).
 *
 * A holder learns of it by the ids of pauses that are over, which only become more: it may hear of them any number of times, late, or
 * before the pause itself, which then has no effect.
 */
import { fingerprint, LIMITS } from "#std";
import { least, monus, ZERO } from "./amount.ts";
import { askedBelow } from "./asked.ts";
import { freed, resume } from "./cascade.ts";
import type { CommandOf } from "./command.ts";
import { closingRefusal, conflictAt, notTakingWork } from "./conflict.ts";
import { type Draft, effectKey, emit, refuse, say, UNCHANGED } from "./draft.ts";
import { answerOf } from "./effect.ts";
import { drawableOf, shortOf } from "./free.ts";
import { givenBack, waitingToGoOn } from "./give-back.ts";
import { draw } from "./grant.ts";
import { revisionOf } from "./grant-revision.ts";
import type { Outcome, Refusal } from "./outcome.ts";
import { pausedBy, pausesAt, pausesOver } from "./paused.ts";
import { dequeue } from "./queue.ts";
import { type Amounts, addAmounts, amountsOf, type Consumable, isNothing, NOTHING } from "./resource.ts";
import type { Allocation } from "./state.ts";
import { sightIn } from "./tranche-draw.ts";

/** A person's: taken from what is free at the parent, past those who wait there. The same request again answers the same. */
export function decideResume(draft: Draft, command: CommandOf<"resume">): Outcome {
  const { caller, requestId, allocationId } = command;
  const key = effectKey(caller, requestId);
  const print = fingerprint(`resume|${allocationId}`);
  const known = draft.state.effects.get(key);
  if (known) {
    const answer = known.fingerprint === print ? answerOf(known) : undefined;
    return answer?.type === "raised" ? { ...answer, repeated: true } : refuse({ code: "request_reused", requestId });
  }
  const node = draft.state.allocations.get(allocationId);
  if (!node) return refuse({ code: "not_found", subject: "allocation", id: allocationId });
  const refusal = mayResume(draft, node);
  if (refusal) return refuse(refusal);
  const pauses = pausesAt(node);
  if (pauses.length === 0 || !node.parent) return UNCHANGED;
  const by = pauses.reduce<Amounts>((sum, { reclaimed }) => addAmounts(sum, reclaimed), NOTHING);
  const sight = sightIn(node.parent, node);
  const short = shortOf(node.parent, by, sight);
  if (short) {
    const { nowMs } = draft;
    const conflict = conflictAt({ node: node.parent, resource: short, wanted: by[short], nowMs, sight });
    return refuse({ code: "conflict", conflict });
  }
  draw(draft, node.parent, by);
  const effect = { key, fingerprint: print, partial: false };
  emit(draft, { type: "limit_raised", atMs: draft.nowMs, allocationId, by, effect });
  endPauses(
    draft,
    node,
    pauses.map(({ preemptionId }) => preemptionId),
  );
  if (node.side !== "delegated") freed(draft, node);
  const { epoch, grantedTotal } = node;
  return { type: "raised", allocationId, epoch, by, grantedTotal, partial: false, repeated: false };
}

function mayResume({ state, nowMs }: Draft, node: Allocation): Refusal | undefined {
  if (node.side === "received") {
    return { code: "not_permitted", message: `${node.path} was paused by the tier above; let it go on there` };
  }
  if (node.state !== "open") return closingRefusal(node);
  if (state.effects.size >= LIMITS.effectsMax) {
    const message = `${LIMITS.effectsMax} answers are being kept; wait until older requests have ended`;
    return { code: "too_many", message, retryAfterMs: LIMITS.retryAfterMs };
  }
  // What is paused above it goes on there, with all that is below.
  return node.parent && notTakingWork(node.parent, nowMs);
}

/** Ends those of the pauses that stand at the node. What they took must be there again before, as far as it is to be given back. */
export function endPauses(draft: Draft, node: Allocation, preemptionIds: readonly string[]): void {
  let ended = 0;
  let back = NOTHING;
  for (const preemptionId of preemptionIds) {
    const reclaim = node.reclaims.get(preemptionId);
    if (reclaim?.mode !== "PAUSE") continue;
    const waiter = reclaim.forOthers && waitingToGoOn(node, preemptionId);
    if (waiter) dequeue(draft, waiter, "cancelled");
    for (const below of askedBelow({ node, reclaim })) goOnBelow(draft, below.child, below.preemptionId);
    end(draft, node, preemptionId);
    back = addAmounts(back, givenBack(node, reclaim));
    ended += 1;
  }
  if (ended === 0) return;
  noteResumed(draft, node, back);
  tellGoesOn(draft, node);
  if (!pausedBy(node)) resume(draft, node);
}

function goOnBelow(draft: Draft, child: Allocation, preemptionId: string): void {
  const back = child.state === "open" ? giveBack(draft, child, preemptionId) : NOTHING;
  end(draft, child, preemptionId);
  noteResumed(draft, child, back);
  tellGoesOn(draft, child);
}

function end(draft: Draft, { id: allocationId }: Allocation, preemptionId: string): void {
  emit(draft, { type: "reclaim_ended", atMs: draft.nowMs, preemptionId, allocationId, cause: "resumed" });
}

/** What it gave for its pause, or as much of it as can be had. */
function giveBack(draft: Draft, child: Allocation, preemptionId: string): Amounts {
  const { parent } = child;
  const gave = child.reclaims.get(preemptionId)?.reclaimed;
  if (!parent || !gave) return NOTHING;
  const part = (resource: Consumable) => {
    if (child.pooled.includes(resource)) return ZERO;
    const room = monus(LIMITS.amountMax as typeof ZERO, child.grantedTotal[resource]);
    return least(least(gave[resource], room), drawableOf(parent, resource, sightIn(parent, child)));
  };
  const by = amountsOf({ credits: part("credits"), toolCalls: part("toolCalls") });
  if (isNothing(by)) return NOTHING;
  draw(draft, parent, by);
  emit(draft, { type: "limit_raised", atMs: draft.nowMs, allocationId: child.id, by, effect: undefined });
  return by;
}

function noteResumed(draft: Draft, { id: allocationId }: Allocation, back: Amounts): void {
  say(draft, { type: "noted", allocationId, verdict: { decided: "RESUMED", back } });
}

function tellGoesOn(draft: Draft, node: Allocation): void {
  if (node.side !== "delegated") {
    if (!pausedBy(node)) say(draft, { type: "resumed", allocationId: node.id });
    return;
  }
  const revision = revisionOf(node, { pausesOver: pausesOver(node) });
  if (revision) say(draft, revision);
}

/**
 * Child side: the tier above says which of its pauses are over. One that did not come yet is written down as over, so that it has no effect
 * when it comes. True when that changes something.
 */
export function receivePausesOver(draft: Draft, node: Allocation, over: readonly string[]): boolean {
  const unknown = over.filter((id) => !node.reclaims.has(id) && !node.endedReclaims.has(id));
  for (const preemptionId of unknown) {
    const event = { atMs: draft.nowMs, preemptionId, allocationId: node.id } as const;
    emit(draft, { ...event, type: "reclaim_requested", mode: "PAUSE", reason: "over before it came", wanted: NOTHING });
    emit(draft, { ...event, type: "reclaim_ended", cause: "resumed" });
  }
  const standing = over.filter((id) => node.reclaims.get(id)?.mode === "PAUSE");
  endPauses(draft, node, standing);
  return unknown.length > 0 || standing.length > 0;
}
