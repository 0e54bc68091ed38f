/**
 * What crosses daemons, but for usage reports: grants received, counters, leases. Receivers take the maximum, so repeats do no harm.
 *
 * A lease is renewed only by an answer of the parent to its current epoch, also after its end. Until then the holder takes no reserves and
 * no grants (notTakingWork); what is in flight is settled.
 */
import { LIMITS } from "#std";
import { countAllowances } from "./allowance.ts";
import { askOthers } from "./ask-below.ts";
import { breakCircles } from "./break-circles.ts";
import { freed, handBack, resume, serveWaiters } from "./cascade.ts";
import type { CommandOf, ReceiveGrant } from "./command.ts";
import { receivePausesOver } from "./decide-resume.ts";
import { setDeadline } from "./decide-update-limits.ts";
import { DONE, type Draft, emit, refuse, UNCHANGED } from "./draft.ts";
import { standingAnswer } from "./effect.ts";
import { queuedUnder } from "./evolve-queue.ts";
import { exhaust } from "./exhausted.ts";
import { freeOfNode } from "./free.ts";
import { takeInherited } from "./inherited-policy.ts";
import type { Outcome, Refusal } from "./outcome.ts";
import { checkPolicy } from "./policy-check.ts";
import { endIfMet, pendingOf, tellProgress } from "./reclaim.ts";
import { gaveWay } from "./reserve-room.ts";
import { type Amounts, isNothing, leastAmounts, monusAmounts, RESOURCES } from "./resource.ts";
import type { Allocation, BudgetState } from "./state.ts";

/**
 * Opens the child's side of a grant. The same grant again is the same answer, also when it is closed by then, which the caller must look
 * up. Its record is given up only long after the parent has taken its final account, when the lease of a grant that is still on its way
 * has ended: should it open again, it spends nothing before a renewal, and the parent does not renew what is closed.
 */
export function decideReceiveGrant(draft: Draft, command: ReceiveGrant): Outcome {
  const known = draft.state.allocations.get(command.allocationId);
  if (known) {
    if (known.side !== "received" || known.epoch !== command.epoch) {
      return refuse({ code: "stale_epoch", allocationId: known.id, currentEpoch: known.epoch });
    }
    return { ...standingAnswer(known), decidedAtMs: command.nowMs, repeated: true };
  }
  const unfit = checkPolicy(command.policy);
  if (unfit) return refuse(unfit);
  if (draft.state.unacknowledged.size >= LIMITS.closedRootsMax) {
    const message = `${LIMITS.closedRootsMax} final accounts wait for the tier above to take them`;
    return refuse({ code: "too_many", message, retryAfterMs: LIMITS.retryAfterMs });
  }
  const { nowMs, deadlineLeftMs, notes, type, ...rest } = command;
  const deadlineAtMs = deadlineLeftMs === undefined ? undefined : nowMs + deadlineLeftMs;
  const opened = { type: "allocation_opened", atMs: nowMs, parentId: undefined, side: "received" } as const;
  emit(draft, { ...rest, ...opened, deadlineAtMs, effect: undefined });
  for (const [key, value] of notes) {
    emit(draft, { type: "note_attached", atMs: nowMs, allocationId: command.allocationId, key, value });
  }
  const node = draft.state.allocations.get(command.allocationId);
  return node ? { ...standingAnswer(node), decidedAtMs: nowMs } : UNCHANGED;
}

function received(state: BudgetState, allocationId: string, epoch: number): Allocation | Refusal {
  const node = state.allocations.get(allocationId);
  if (node?.side !== "received") return { code: "not_found", subject: "received grant", id: allocationId };
  if (node.epoch !== epoch) return { code: "stale_epoch", allocationId, currentEpoch: node.epoch };
  return node;
}

export function decideReceiveLimit(draft: Draft, command: CommandOf<"receive_limit">): Outcome {
  const node = received(draft.state, command.allocationId, command.epoch);
  if ("code" in node) return refuse(node);
  if (node.state === "closed") return UNCHANGED;
  const told = takeInherited(draft, node, command.inherited);
  if (told) breakCircles(draft);
  const moved = takeDeadline(draft, node, command.deadlineLeftMs) || told;
  const by = monusAmounts(command.grantedTotal, node.grantedTotal);
  const raised = !isNothing(by);
  if (raised) emit(draft, { type: "limit_raised", atMs: draft.nowMs, allocationId: node.id, by, effect: undefined });
  // What comes with the end of a pause is not for the pause to take again.
  const goesOn = receivePausesOver(draft, node, command.pausesOver ?? []);
  // Where the policy is inherited another may be the first now.
  if (told) for (const queued of queuedUnder(draft.state, node)) serveWaiters(draft, queued);
  if (!raised) return moved || goesOn ? DONE : UNCHANGED;
  // A pooled grant was raised for a call that is about to be reserved: handing it back here would take it from under it.
  if (node.pooled.length === 0 || node.state !== "open") freed(draft, node);
  return DONE;
}

/** What the journey of a message takes is no move: it comes again with each hello. */
function takeDeadline(draft: Draft, node: Allocation, leftMs: number | undefined): boolean {
  if (leftMs === undefined || node.state !== "open") return false;
  const deadlineAtMs = draft.nowMs + leftMs;
  if (Math.abs(deadlineAtMs - (node.deadlineAtMs ?? Number.POSITIVE_INFINITY)) <= LIMITS.deadlineDriftMs) return false;
  setDeadline(draft, node, deadlineAtMs);
  return true;
}

export function decideReturnSurplus(draft: Draft, command: CommandOf<"return_surplus">): Outcome {
  const node = draft.state.allocations.get(command.allocationId);
  if (node?.side !== "received") {
    return refuse({ code: "not_found", subject: "received grant", id: command.allocationId });
  }
  const by = monusAmounts(freeOfNode(node), command.keep);
  if (node.state === "closed" || isNothing(by)) return UNCHANGED;
  handBack(draft, node, by);
  return DONE;
}

export function decideRenewLease(draft: Draft, command: CommandOf<"renew_lease">): Outcome {
  const node = received(draft.state, command.allocationId, command.epoch);
  if ("code" in node) return refuse(node);
  if (node.state === "closed" || command.endsAtMs <= (node.leaseEndsAtMs ?? 0)) return UNCHANGED;
  const hadEnded = draft.nowMs >= (node.leaseEndsAtMs ?? draft.nowMs);
  emit(draft, { type: "lease_renewed", atMs: draft.nowMs, allocationId: node.id, endsAtMs: command.endsAtMs });
  if (hadEnded) resume(draft, node);
  return DONE;
}

/** This daemon starts again on its journal. If the machine did, too, what it had answered ahead of its sync may be lost. */
export function decideStart(draft: Draft, { bootId }: CommandOf<"start">): Outcome {
  const before = draft.state.bootId;
  emit(draft, { type: "daemon_started", atMs: draft.nowMs, ...(bootId !== undefined && { bootId }) });
  if (before !== undefined && before !== bootId) countAllowances(draft);
  return DONE;
}

/**
 * The parent has the final account. An older one, from before the usage changed, or one that may still change, says nothing: it will be told
 * again.
 */
export function decideAcknowledgeFinal(draft: Draft, command: CommandOf<"acknowledge_final">): Outcome {
  const node = draft.state.allocations.get(command.allocationId);
  if (node?.side !== "received") {
    return refuse({ code: "not_found", subject: "received grant", id: command.allocationId });
  }
  const isCurrent = command.sequence > node.usageSequence && node.uncorrected === 0;
  if (!isCurrent || !draft.state.unacknowledged.has(node)) return UNCHANGED;
  emit(draft, { type: "final_acknowledged", atMs: draft.nowMs, allocationId: node.id });
  return DONE;
}

/** The delegated allocation, if the caller holds it. */
export function heldBy(state: BudgetState, caller: string, allocationId: string): Allocation | Refusal {
  const node = state.allocations.get(allocationId);
  if (node?.side !== "delegated") return { code: "not_found", subject: "granted allocation", id: allocationId };
  if (node.peer !== caller) return { code: "not_permitted", message: `${node.path} is not held by ${caller}` };
  return node;
}

export function decideReceiveReturn(draft: Draft, command: CommandOf<"receive_return">): Outcome {
  const node = heldBy(draft.state, command.caller, command.allocationId);
  if ("code" in node) return refuse(node);
  if (command.epoch !== node.epoch) {
    return refuse({ code: "stale_epoch", allocationId: node.id, currentEpoch: node.epoch });
  }
  const above = RESOURCES.filter((resource) => command.returnedTotal[resource] > node.grantedTotal[resource]);
  if (above.length > 0) {
    const message = "cannot exceed what was granted in total";
    return refuse({ code: "invalid", violations: above.map((r) => ({ field: `returned_total.${r}`, message })) });
  }
  const by = monusAmounts(command.returnedTotal, node.returnedTotal);
  if (node.state === "closed") return UNCHANGED;
  if (!isNothing(by)) {
    bookReturn(draft, node, by);
    if (node.parent) freed(draft, node.parent);
    askOthers(draft, node);
  }
  const { exhausted } = command;
  const isNew = exhausted !== undefined && exhaust(draft, node, exhausted);
  return isNew || !isNothing(by) ? DONE : UNCHANGED;
}

/** Books what came back, first for the preemptions that asked for it, oldest first. */
function bookReturn(draft: Draft, node: Allocation, by: Amounts): void {
  let rest = by;
  for (const reclaim of [...node.reclaims.values()]) {
    const part = leastAmounts(rest, pendingOf(reclaim));
    if (isNothing(part)) continue;
    const lowered = { type: "limit_lowered", atMs: draft.nowMs, allocationId: node.id, by: part } as const;
    emit(draft, { ...lowered, preemptionId: reclaim.preemptionId });
    gaveWay(draft, node, part, reclaim.preemptionId);
    tellProgress(draft, node, reclaim);
    endIfMet(draft, node, reclaim.preemptionId);
    rest = monusAmounts(rest, part);
  }
  if (isNothing(rest)) return;
  emit(draft, { type: "limit_lowered", atMs: draft.nowMs, allocationId: node.id, by: rest, preemptionId: undefined });
  gaveWay(draft, node, rest);
}
