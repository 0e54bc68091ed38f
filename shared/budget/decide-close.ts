/** Closing: the node and everything below it take no new work; what is empty is closed at once, the rest as it becomes so. */
import { freed, serveWaiters } from "./cascade.ts";
import { DONE, type Draft, emit, refuse, say, UNCHANGED } from "./draft.ts";
import type { Outcome } from "./outcome.ts";
import { stopFor } from "./paused.ts";
import { turnAway, turnAwayRaises } from "./queue.ts";
import type { Allocation } from "./state.ts";

export function decideClose(draft: Draft, allocationId: string, reason: string): Outcome {
  const node = draft.state.allocations.get(allocationId);
  if (!node) return refuse({ code: "not_found", subject: "allocation", id: allocationId });
  if (node.state !== "open") return UNCHANGED;
  closeTree(draft, node, reason);
  return DONE;
}

/** Begins to close the node and everything below it; what is empty is closed at once. */
export function closeTree(draft: Draft, node: Allocation, reason: string): void {
  if (node.state !== "open") return;
  emit(draft, { type: "allocation_closing", atMs: draft.nowMs, allocationId: node.id, reason }, node);
  const stop = stopFor(node);
  const closing = { type: "closing", allocationId: node.id, side: node.side, holder: node.peer, reason } as const;
  say(draft, stop ? { ...closing, stop } : closing);
  turnAwayRaises(draft, node);
  if (node.waiters.size > 0) for (const waiter of [...node.waiters]) turnAway(draft, waiter, "refused");
  if (node.children.size > 0) for (const child of [...node.children]) closeTree(draft, child, reason);
  freed(draft, node);
  // Those who waited for more for this node were in the way of others.
  if (node.parent) serveWaiters(draft, node.parent);
}
