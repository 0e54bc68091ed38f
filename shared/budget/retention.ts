/**
 * Which records of what has ended are kept, and how long.
 * - A request's answer: until its allocation or hold has ended, and ten minutes more.
 * - A closed allocation: ten minutes; of one parent's children the latest LIMITS.closedChildrenMax.
 * - A closed received grant: until the tier above has acknowledged its final account, and ten minutes more; of the acknowledged ones the
 *   latest LIMITS.closedRootsMax. A tier above that was away for longer would otherwise miss it in a hello and take it for never spent.
 * - A closed allocation in whose subtree something is written off: until a true account has corrected that, and ten minutes more.
 */
import { assert, LIMITS } from "#std";
import { NO_LIST, type Texts, withLast, withoutIndex } from "./collections.ts";
import type { FinalAcknowledged, MemoryReleased } from "./event.ts";
import type { Allocation, BudgetState } from "./state.ts";

/** The node has closed; its effects and, if nothing more can come for it, its record are given up in ten minutes. */
export function keepEnded(state: BudgetState, node: Allocation): void {
  if (node.side === "received") state.unacknowledged.add(node);
  release(state, node, node.effectKeys);
  if (node.parent) keepClosed(state, node.parent, node);
}

function release(state: BudgetState, { id }: Allocation, effectKeys: Texts): void {
  state.ended.push({ id, effectKeys, forgetAtMs: state.engineTimeMs + LIMITS.effectMemoryMs });
}

function keepClosed(state: BudgetState, parent: Allocation, node: Allocation): void {
  const closed = withLast(parent.closedChildren, node);
  parent.closedChildren = closed;
  if (closed.length <= LIMITS.closedChildrenMax) return;
  const at = closed[0]?.uncorrected === 0 ? 0 : closed.findIndex(({ uncorrected }) => uncorrected === 0);
  const oldest = closed[at];
  if (!oldest) return;
  parent.closedChildren = withoutIndex(closed, at);
  forget(state, oldest);
}

/** What closed below it cannot be reached any more either. Answers and calls that speak of it still know it. */
function forget(state: BudgetState, node: Allocation): void {
  state.allocations.delete(node.id);
  for (const child of node.closedChildren) forget(state, child);
}

function forgetRoot(state: BudgetState, root: Allocation): void {
  state.roots.delete(root);
  state.acknowledged.delete(root);
  forget(state, root);
}

function mayBeForgotten(state: BudgetState, node: Allocation): boolean {
  if (node.state !== "closed" || node.uncorrected > 0) return false;
  return node.side !== "received" || state.acknowledged.has(node);
}

export function evolveMemoryReleased(state: BudgetState, event: MemoryReleased): void {
  for (const { id, effectKeys } of state.ended.takeUpTo(event.upToMs)) {
    if (typeof effectKeys === "string") state.effects.delete(effectKeys);
    else for (const key of effectKeys) state.effects.delete(key);
    if (state.holds.delete(id)) continue;
    const node = state.allocations.get(id);
    if (!node || !mayBeForgotten(state, node)) continue;
    const { parent } = node;
    if (!parent) {
      forgetRoot(state, node);
      continue;
    }
    parent.closedChildren = withoutIndex(parent.closedChildren, parent.closedChildren.indexOf(node));
    forget(state, node);
  }
}

/** The tier above has the account of a closed received grant. */
export function evolveFinalAcknowledged(state: BudgetState, event: FinalAcknowledged, node: Allocation): void {
  const known = state.unacknowledged.delete(node);
  assert(known && node.uncorrected === 0, `nothing was to be acknowledged of ${event.allocationId}`);
  state.acknowledged.add(node);
  release(state, node, NO_LIST);
  if (state.acknowledged.size <= LIMITS.closedRootsMax) return;
  const [oldest = node] = state.acknowledged;
  forgetRoot(state, oldest);
}

/** More or fewer true accounts are missing at the node, and so at all above it. */
export function changeUncorrected(state: BudgetState, node: Allocation, by: number): void {
  if (by === 0) return;
  state.uncorrected += by;
  for (let at: Allocation | undefined = node; at; at = at.parent) {
    at.uncorrected += by;
    if (at.uncorrected === 0 && at.state === "closed") release(state, at, NO_LIST);
  }
}
