/**
 * SHRINKs to which nothing that is free can come any more. A holder says so when it answers: whatever comes free there goes to what it owes
 * before anything else, so that nothing is free there for as long as it owes some of it. What is owed still comes as running work ends;
 * who cannot wait for that looks for something else at once.
 */
import { askedFor, owedFor, pendingOf, type ReclaimPlace } from "./asked.ts";
import { answered, type Draft, emit } from "./draft.ts";
import { tellProgress } from "./reclaim.ts";
import { isNothing } from "./resource.ts";
import { isShareAsk } from "./share-wish.ts";
import type { Allocation } from "./state.ts";

/** The holder of a delegated allocation has nothing more that is free for the preemption of this name. False: that is nothing new. */
export function exhaust(draft: Draft, node: Allocation, preemptionId: string): boolean {
  const reclaim = node.reclaims.get(preemptionId);
  if (reclaim?.mode !== "SHRINK" || reclaim.exhausted || isNothing(pendingOf(reclaim))) return false;
  // Shares look again by themselves.
  if (isShareAsk(preemptionId)) return false;
  const { mode, reason, wanted } = reclaim;
  const event = { type: "reclaim_requested", atMs: draft.nowMs, preemptionId, allocationId: node.id } as const;
  emit(draft, { ...event, mode, reason, wanted, exhausted: true });
  const place = askedFor(node, preemptionId) ?? { node, reclaim };
  answered(draft, place.node, place.reclaim.preemptionId);
  if (place.node.side === "received" && isExhausted(place)) tellProgress(draft, place.node, place.reclaim, true);
  return true;
}

/** Whether all who owe something to a SHRINK have said so. Where too many were asked to look at them: false. */
export function isExhausted(place: ReclaimPlace): boolean {
  const { node, reclaim } = place;
  if (reclaim.mode !== "SHRINK") return false;
  if (node.side === "delegated") return reclaim.exhausted === true;
  return owedFor(place)?.every(({ exhausted }) => exhausted === true) ?? false;
}
