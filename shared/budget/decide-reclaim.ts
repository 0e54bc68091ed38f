/**
 * Preemption: the node gives back what is free, in its own books and its local descendants', at once; what its delegated children must give
 * is asked of them; the rest stays pending and is fed by whatever comes free, before anything local. The modes: reclaim-begin.ts.
 */
import { LIMITS } from "#std";
import { askedBelow, type Owing, owingBelow, type ReclaimPlace } from "./asked.ts";
import type { CommandOf } from "./command.ts";
import { endPauses } from "./decide-resume.ts";
import { DONE, type Draft, refuse } from "./draft.ts";
import { isExhausted } from "./exhausted.ts";
import { reservedUnder } from "./keep-reserved.ts";
import type { Outcome, OutcomeOf } from "./outcome.ts";
import { endReclaim, pendingOf } from "./reclaim.ts";
import { beginReclaim } from "./reclaim-begin.ts";
import { addAmounts, isNothing, monusAmounts, NOTHING } from "./resource.ts";
import type { Allocation } from "./state.ts";
import { rankOfPriority } from "./waiter.ts";

export function decideReclaim(draft: Draft, command: CommandOf<"reclaim">): Outcome {
  const { preemptionId, allocationId, amounts: wanted, mode, claimantPriority } = command;
  const node = draft.state.allocations.get(allocationId);
  if (!node) return refuse({ code: "not_found", subject: "allocation", id: allocationId });
  if (command.epoch !== undefined && command.epoch !== node.epoch) {
    return refuse({ code: "stale_epoch", allocationId, currentEpoch: node.epoch });
  }
  if (!node.parent && node.side === "local") {
    return refuse({ code: "not_permitted", message: `${node.path} has no parent to give budget back to` });
  }
  const isUnfair = claimantPriority !== undefined && rankOfPriority(claimantPriority) <= rankOfPriority(node.priority);
  if (isUnfair) {
    const message = `must be above ${node.priority}, the priority of ${node.path}: nobody gives way to an equal or a lower one`;
    return refuse({ code: "invalid", violations: [{ field: "claimant_priority", message }] });
  }
  const known = node.reclaims.has(preemptionId) || node.endedReclaims.has(preemptionId);
  if (!known && node.reclaims.size >= LIMITS.pendingReclaimsMax) {
    const message = `${LIMITS.pendingReclaimsMax} preemptions are pending at ${node.path}`;
    return refuse({ code: "too_many", message, retryAfterMs: LIMITS.retryAfterMs });
  }
  if (node.state !== "closed" && !known) beginReclaim(draft, node, { ...command, wanted });
  const standing = standingOf(node, preemptionId);
  // More was asked for than what nobody has reserved: it is not there to be waited for.
  const isLess =
    mode === "SHRINK" && wanted && !isNothing(monusAmounts(wanted, addAmounts(standing.reclaimed, standing.pending)));
  return isLess && standing.met && !isNothing(reservedUnder(draft.state, node))
    ? { ...standing, exhausted: true }
    : standing;
}

function standingOf(node: Allocation, preemptionId: string): OutcomeOf<"reclaimed"> {
  const open = node.reclaims.get(preemptionId);
  const reclaim = open ?? node.endedReclaims.get(preemptionId);
  const { returnedTotal } = node;
  // What is closed has given all that it had.
  const isOver = reclaim?.mode !== "SHRINK" && !open;
  const pending = reclaim && !isOver ? pendingOf(reclaim) : NOTHING;
  const reclaimed = reclaim?.reclaimed ?? NOTHING;
  const met = reclaim?.mode === "STOP" ? isOver : isNothing(pending);
  const { waitingOn, victims } = open ? below({ node, reclaim: open }) : { waitingOn: [], victims: [] };
  const exhausted = !met && open !== undefined && isExhausted({ node, reclaim: open });
  return { type: "reclaimed", preemptionId, reclaimed, pending, met, exhausted, returnedTotal, waitingOn, victims };
}

interface Below {
  readonly waitingOn: readonly string[];
  readonly victims: readonly string[];
}

/** Who gives below, by its delegated allocations. */
function below(place: ReclaimPlace): Below {
  const ids = (found: readonly { readonly child: Allocation }[]) => [...new Set(found.map(({ child }) => child.id))];
  if (place.reclaim.mode === "SHRINK") return { waitingOn: ids(owingBelow(place)), victims: [] };
  const isPause = place.reclaim.mode === "PAUSE";
  const all = isPause ? askedBelow(place) : closingBelow(place.node);
  const waiting = isPause ? askedBelow(place).filter(owes) : all;
  return { waitingOn: ids(waiting).slice(0, LIMITS.victimsToldMax), victims: ids(all).slice(0, LIMITS.victimsToldMax) };
}

function owes({ child, preemptionId }: Owing): boolean {
  const owed = child.reclaims.get(preemptionId);
  return owed !== undefined && !isNothing(pendingOf(owed));
}

function closingBelow(node: Allocation): { readonly child: Allocation }[] {
  return [...node.children].flatMap((child) => (child.side === "delegated" ? [{ child }] : closingBelow(child)));
}

export function decideCancelReclaim(draft: Draft, preemptionId: string, allocationId: string): Outcome {
  const node = draft.state.allocations.get(allocationId);
  const reclaim = node?.reclaims.get(preemptionId);
  if (!node || !reclaim) return refuse({ code: "not_found", subject: "preemption", id: preemptionId });
  if (reclaim.mode === "STOP") {
    return refuse({ code: "not_permitted", message: `${node.path} is being stopped, which cannot be taken back` });
  }
  if (reclaim.mode === "PAUSE") endPauses(draft, node, [preemptionId]);
  else endReclaim(draft, { node, reclaim }, "cancelled");
  return DONE;
}
