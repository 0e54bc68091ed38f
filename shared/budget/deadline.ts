/**
 * Deadlines that move while work goes on. One rule for all below a node that moves: what had the same deadline goes along (it stated none of
 * its own, or one that its parent cut), and what would be later than its parent is cut to it; an earlier one stays. So I8 stays true: a
 * child's deadline is never later than its parent's.
 */
import type { Allocation, BudgetState } from "./state.ts";

/** Moves the node and everything below it that goes along. */
export function moveDeadline(state: BudgetState, node: Allocation, deadlineAtMs: number): void {
  const before = node.deadlineAtMs;
  if (before !== undefined) state.due.deadlines.remove(node, before);
  node.deadlineAtMs = deadlineAtMs;
  state.due.deadlines.add(node, deadlineAtMs);
  for (const child of node.children)
    if (goesAlong(child, before, deadlineAtMs)) moveDeadline(state, child, deadlineAtMs);
}

/** Delegated nodes that go along when the node moves, the node itself included. */
export function delegatedAlong(
  node: Allocation,
  deadlineAtMs: number,
  found: Allocation[] = [],
): readonly Allocation[] {
  if (node.side === "delegated") found.push(node);
  for (const child of node.children) {
    if (goesAlong(child, node.deadlineAtMs, deadlineAtMs)) delegatedAlong(child, deadlineAtMs, found);
  }
  return found;
}

function goesAlong(child: Allocation, before: number | undefined, deadlineAtMs: number): boolean {
  return child.deadlineAtMs === before || (child.deadlineAtMs ?? Number.POSITIVE_INFINITY) > deadlineAtMs;
}
