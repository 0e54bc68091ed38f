/** Those who wait at a node, in the order of the policy that is tried there. */
import type { Allocation, BudgetState, Waiter } from "./state.ts";
import { orderAt } from "./strategies/index.ts";
import { WaitQueue } from "./wait-queue.ts";

/** The node's own queue where the order is the same. */
export function queueAsTried({ shadows }: BudgetState, node: Allocation): WaitQueue {
  const { waiters } = node;
  if (waiters.size === 0) return waiters;
  const order = orderAt(node, "shadow");
  if (order.name === waiters.order.name && order.agingStepMs === waiters.order.agingStepMs) return waiters;
  const known = shadows.queues.get(node);
  if (known instanceof WaitQueue) return known;
  const queue = waiters.reordered(order);
  shadows.queues.set(node, queue);
  return queue;
}

/** A request begins to wait at the node, or ends to; to be called when the node's own queue is as it is then. */
export function followQueueAsTried({ shadows }: BudgetState, node: Allocation, waiter: Waiter, waits: boolean): void {
  if (shadows.queues.size === 0) return;
  const queue = shadows.queues.get(node);
  if (!(queue instanceof WaitQueue)) return;
  if (waits) queue.add(waiter);
  else if (node.waiters.size === 0) shadows.queues.delete(node);
  else queue.remove(waiter);
}
