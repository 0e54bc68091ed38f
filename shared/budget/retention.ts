/**
 * Which records of what has ended are kept, and how long.
 * - A request's answer: until its allocation or hold has ended, and ten minutes more.
 * - A closed allocation: ten minutes; of one parent's children the latest LIMITS.closedChildrenMax.
 * - A closed received grant: until the tier above has acknowledged its final account, and ten minutes more; of the acknowledged ones the
 *   latest LIMITS.closedRootsMax. A tier above that was away for longer would otherwise miss it in a hello and take it for never spent.
 *   One that does not know it may stand on another journal than the one that granted it: that says nothing.
 * - A closed allocation in whose subtree something is written off: until a true account has corrected that, and ten minutes more.
 */
import { assert, LIMITS } from "#std";
import { NO_LIST, withLast, withoutIndex } from "./collections.ts";
import { answerOf } from "./effect.ts";
import type { FinalAcknowledged, MemoryReleased } from "./event.ts";
import { limitsWith } from "./limits-of.ts";
import type { Allocation, BudgetState } from "./state.ts";
import { NO_TRANCHES } from "./tranches.ts";

/** The node has closed; its effects and, if nothing more can come for it, its record are given up in ten minutes. */
export function keepEnded(state: BudgetState, node: Allocation): void {
  if (node.side === "received") state.unacknowledged.add(node);
  if (!endEffects(state, node)) release(state, node);
  if (node.parent) keepClosed(state, node.parent, node);
  else state.openRoots.delete(node);
}

/**
 * The answers of its requests are final now: they are put by, and the allocation has them no longer. True when it is released with the one
 * that most have, which opened it: a record of its own would say again what that says.
 */
function endEffects(state: BudgetState, node: Allocation): boolean {
  const forgetAtMs = state.engineTimeMs + LIMITS.effectMemoryMs;
  const { effectKeys } = node;
  node.effectKeys = NO_LIST;
  if (typeof effectKeys === "string") return endEffect(state, effectKeys, forgetAtMs, node);
  for (const key of effectKeys) endEffect(state, key, forgetAtMs);
  return false;
}

/** Puts by the answer that is kept under the key. True when it opened `ended`, which then is released with it. */
export function endEffect(state: BudgetState, key: string, forgetAtMs: number, ended?: Allocation): boolean {
  const effect = state.effects.take(key);
  assert(effect !== undefined, "an answer that is put by is kept");
  const kept = { forgetAtMs, fingerprint: effect.fingerprint, key } as const;
  if (effect.kind === "opening") {
    const releases = effect.node === ended;
    const limits = limitsWith(effect.node, effect.grantedTotal);
    state.ended.addOpening(kept, { opening: effect, limits, releases });
    return releases;
  }
  const answer = answerOf(effect);
  assert(answer !== undefined, "what is put by has its answer");
  state.ended.addAnswer(kept, answer);
  return false;
}

/** In ten minutes it may be forgotten, if nothing keeps it then. */
function release(state: BudgetState, { id }: Allocation): void {
  state.ended.addAllocation(id, state.engineTimeMs + LIMITS.effectMemoryMs);
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

/** What closed below it cannot be reached any more either. Its answers and calls are remembered all the same. */
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
  state.ended.forgetUpTo(event.upToMs, state.allocations, (node) => {
    if (!mayBeForgotten(state, node)) return;
    const { parent } = node;
    if (!parent) {
      forgetRoot(state, node);
      return;
    }
    parent.closedChildren = withoutIndex(parent.closedChildren, parent.closedChildren.indexOf(node));
    forget(state, node);
  });
}

/** The tier above has the account of a closed received grant. */
export function evolveFinalAcknowledged(state: BudgetState, event: FinalAcknowledged, node: Allocation): void {
  const known = state.unacknowledged.delete(node);
  assert(known && node.uncorrected === 0, `nothing was to be acknowledged of ${event.allocationId}`);
  state.acknowledged.add(node);
  release(state, node);
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
    if (at.uncorrected === 0 && at.state === "closed") {
      release(state, at);
      if (at.parent && at.parent.tranches !== NO_TRANCHES) at.parent.tranches.forget(at);
    }
  }
}
