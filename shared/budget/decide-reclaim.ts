/**
 * Preemption by SHRINK: the node gives back what is free, in its own books and its local descendants', at once; what its delegated
 * children must give is asked of them; the rest stays pending and is fed by whatever comes free, before anything local.
 */
import { LIMITS } from "#std";
import { monus, ZERO } from "./amount.ts";
import { lift } from "./cascade.ts";
import type { CommandOf } from "./command.ts";
import { DONE, type Draft, emit, refuse } from "./draft.ts";
import { isConsumable, isLimited } from "./free.ts";
import type { Outcome } from "./outcome.ts";
import { endIfMet, nestedId, pendingOf } from "./reclaim.ts";
import { type Amounts, isNothing, leastAmounts, monusAmounts, NOTHING, type Resource } from "./resource.ts";
import type { Allocation, Reclaim } from "./state.ts";

export function decideReclaim(draft: Draft, command: CommandOf<"reclaim">): Outcome {
  const { preemptionId, allocationId, mode } = command;
  const node = draft.state.allocations.get(allocationId);
  if (!node) return refuse({ code: "not_found", subject: "allocation", id: allocationId });
  if (mode !== "SHRINK") {
    return refuse({ code: "unsupported", message: `preemption mode ${mode} is not in this version; use SHRINK` });
  }
  if (command.epoch !== undefined && command.epoch !== node.epoch) {
    return refuse({ code: "stale_epoch", allocationId, currentEpoch: node.epoch });
  }
  if (!node.parent && node.side === "local") {
    return refuse({ code: "not_permitted", message: `${node.path} has no parent to give budget back to` });
  }
  const known = node.reclaims.has(preemptionId) || node.endedReclaims.has(preemptionId);
  if (!known && node.reclaims.size >= LIMITS.pendingReclaimsMax) {
    const message = `${LIMITS.pendingReclaimsMax} preemptions are pending at ${node.path}`;
    return refuse({ code: "too_many", message, retryAfterMs: LIMITS.retryAfterMs });
  }
  if (node.state !== "closed" && !known) begin(draft, node, command);
  return standingOf(node, preemptionId);
}

function begin(draft: Draft, node: Allocation, command: CommandOf<"reclaim">): void {
  const { preemptionId, mode, reason } = command;
  const most = reclaimable(node);
  const wanted = command.amounts ? leastAmounts(command.amounts, most) : most;
  emit(draft, {
    type: "reclaim_requested",
    atMs: draft.nowMs,
    preemptionId,
    allocationId: node.id,
    mode,
    reason,
    wanted,
  });
  if (node.side === "delegated") askHolder(draft, node, preemptionId);
  else {
    drawFrom(draft, node, node, preemptionId);
    const reclaim = node.reclaims.get(preemptionId);
    if (reclaim) askChildren(draft, { node, target: node, reclaim, left: pendingOf(reclaim) });
  }
  endIfMet(draft, node, preemptionId);
}

/** The most that could ever come back: what is not known to be used up. */
function reclaimable(node: Allocation): Amounts {
  const left = (resource: Resource) => {
    if (!isLimited(node, resource)) return ZERO;
    if (!isConsumable(resource)) return node.held[resource].limit;
    return monus(node.books[resource].limit, node.books[resource].usage);
  };
  return {
    credits: left("credits"),
    toolCalls: left("toolCalls"),
    branches: left("branches"),
    memoryBytes: left("memoryBytes"),
  };
}

function askHolder(draft: Draft, node: Allocation, preemptionId: string): void {
  const reclaim = node.reclaims.get(preemptionId);
  if (!reclaim || node.peer === undefined) return;
  const { mode, reason } = reclaim;
  const { peer: holder, id: allocationId, epoch } = node;
  const amounts = pendingOf(reclaim);
  draft.messages.push({ type: "reclaim_child", holder, allocationId, epoch, preemptionId, amounts, mode, reason });
}

/** Takes what is free in `node` and its local descendants up to `target`, as far as the preemption wants it. */
function drawFrom(draft: Draft, target: Allocation, node: Allocation, preemptionId: string): void {
  const reclaim = target.reclaims.get(preemptionId);
  if (!reclaim || isNothing(pendingOf(reclaim)) || node.side === "delegated") return;
  lift(draft, target, node, reclaim);
  for (const child of node.children) drawFrom(draft, target, child, preemptionId);
}

interface Asking {
  readonly node: Allocation;
  readonly target: Allocation;
  readonly reclaim: Reclaim;
  readonly left: Amounts;
}

/** Asks the delegated descendants, in the order they were opened, for what is still wanted; answers what remains unasked. */
function askChildren(draft: Draft, { node, target, reclaim, left }: Asking): Amounts {
  let wanted = left;
  for (const child of node.children) {
    if (isNothing(wanted)) return wanted;
    if (child.side !== "delegated") {
      wanted = askChildren(draft, { node: child, target, reclaim, left: wanted });
      continue;
    }
    const amounts = leastAmounts(wanted, reclaimable(child));
    const preemptionId = nestedId(reclaim.preemptionId, child);
    if (isNothing(amounts) || child.reclaims.size >= LIMITS.pendingReclaimsMax) continue;
    const { mode, reason } = reclaim;
    const event = { type: "reclaim_requested", atMs: draft.nowMs, preemptionId, allocationId: child.id } as const;
    emit(draft, { ...event, mode, reason, wanted: amounts });
    askHolder(draft, child, preemptionId);
    wanted = monusAmounts(wanted, amounts);
  }
  return wanted;
}

/** The delegated descendants that still owe something to a preemption. */
function askedBelow(node: Allocation, preemptionId: string): Allocation[] {
  const owing = (child: Allocation) => (child.reclaims.has(nestedId(preemptionId, child)) ? [child] : []);
  return [...node.children].flatMap((child) =>
    child.side === "delegated" ? owing(child) : askedBelow(child, preemptionId),
  );
}

function standingOf(node: Allocation, preemptionId: string): Outcome {
  const reclaim = node.reclaims.get(preemptionId) ?? node.endedReclaims.get(preemptionId);
  const waitingOn = askedBelow(node, preemptionId).map(({ id }) => id);
  const { returnedTotal } = node;
  const pending = reclaim ? pendingOf(reclaim) : NOTHING;
  const reclaimed = reclaim?.reclaimed ?? NOTHING;
  return { type: "reclaimed", preemptionId, reclaimed, pending, met: isNothing(pending), returnedTotal, waitingOn };
}

export function decideCancelReclaim(draft: Draft, preemptionId: string, allocationId: string): Outcome {
  const node = draft.state.allocations.get(allocationId);
  if (!node?.reclaims.has(preemptionId)) return refuse({ code: "not_found", subject: "preemption", id: preemptionId });
  cancel(draft, node, preemptionId);
  for (const child of askedBelow(node, preemptionId)) cancel(draft, child, nestedId(preemptionId, child));
  return DONE;
}

function cancel(draft: Draft, { id: allocationId }: Allocation, preemptionId: string): void {
  emit(draft, { type: "reclaim_ended", atMs: draft.nowMs, preemptionId, allocationId, cause: "cancelled" });
}
