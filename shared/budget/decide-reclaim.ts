/**
 * Preemption by SHRINK: the node gives back what is free, in its own books and its local descendants', at once; what its delegated
 * children must give is asked of them; the rest stays pending and is fed by whatever comes free, before anything local.
 */
import { LIMITS } from "#std";
import { askForRest, askHolder, reclaimable } from "./ask-below.ts";
import { owingBelow } from "./asked.ts";
import { lift } from "./cascade.ts";
import type { CommandOf } from "./command.ts";
import { DONE, type Draft, emit, refuse } from "./draft.ts";
import type { Outcome } from "./outcome.ts";
import { endIfMet, endReclaim, pendingOf } from "./reclaim.ts";
import { isNothing, leastAmounts, NOTHING } from "./resource.ts";
import type { Allocation } from "./state.ts";

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
    if (reclaim) askForRest(draft, { node, reclaim });
  }
  endIfMet(draft, node, preemptionId);
}

/** Takes what is free in `node` and its local descendants up to `target`, as far as the preemption wants it. */
function drawFrom(draft: Draft, target: Allocation, node: Allocation, preemptionId: string): void {
  const reclaim = target.reclaims.get(preemptionId);
  if (!reclaim || isNothing(pendingOf(reclaim)) || node.side === "delegated") return;
  lift(draft, target, node, reclaim);
  for (const child of node.children) drawFrom(draft, target, child, preemptionId);
}

function standingOf(node: Allocation, preemptionId: string): Outcome {
  const open = node.reclaims.get(preemptionId);
  const reclaim = open ?? node.endedReclaims.get(preemptionId);
  const waitingOn = new Set(open ? owingBelow({ node, reclaim: open }).map(({ child }) => child.id) : []);
  const { returnedTotal } = node;
  const pending = reclaim ? pendingOf(reclaim) : NOTHING;
  const reclaimed = reclaim?.reclaimed ?? NOTHING;
  return {
    type: "reclaimed",
    preemptionId,
    reclaimed,
    pending,
    met: isNothing(pending),
    returnedTotal,
    waitingOn: [...waitingOn],
  };
}

export function decideCancelReclaim(draft: Draft, preemptionId: string, allocationId: string): Outcome {
  const node = draft.state.allocations.get(allocationId);
  const reclaim = node?.reclaims.get(preemptionId);
  if (!node || !reclaim) return refuse({ code: "not_found", subject: "preemption", id: preemptionId });
  endReclaim(draft, { node, reclaim }, "cancelled");
  return DONE;
}
