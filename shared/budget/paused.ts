/**
 * What stands over an allocation: a PAUSE or a STOP. Both are preemptions that stay open as long as they last, so that nothing else has to be
 * remembered of them: a PAUSE until it is resumed, a STOP until its allocation is closed. Whatever stands at a node counts for all below it.
 */
import { LIMITS } from "#std";
import type { PreemptionMode } from "./policy.ts";
import type { Allocation, Reclaim } from "./state.ts";

export interface Standing {
  readonly node: Allocation;
  readonly reclaim: Reclaim;
}

/** The nearest PAUSE at the node or above it; undefined when it may work. */
export function pausedBy(node: Allocation): Standing | undefined {
  return standingOver(node, "PAUSE");
}

/** The nearest STOP at the node or above it. */
export function stoppedBy(node: Allocation): Standing | undefined {
  return standingOver(node, "STOP");
}

function standingOver(node: Allocation, mode: PreemptionMode): Standing | undefined {
  for (let at: Allocation | undefined = node; at; at = at.parent) {
    if (at.reclaims.size === 0) continue;
    for (const reclaim of at.reclaims.values()) if (reclaim.mode === mode) return { node: at, reclaim };
  }
  return undefined;
}

/** Those that stand at the node itself, oldest first. */
export function pausesAt(node: Allocation): Reclaim[] {
  if (node.reclaims.size === 0) return [];
  return [...node.reclaims.values()].filter(({ mode }) => mode === "PAUSE");
}

/** Ids of the latest pauses of the node that are over, as its holder is told them: each any number of times, in any order. */
export function pausesOver(node: Allocation): readonly string[] {
  if (node.endedReclaims.size === 0) return [];
  const over = [...node.endedReclaims.values()].filter(({ mode }) => mode === "PAUSE");
  return over.slice(-LIMITS.pausesToldMax).map(({ preemptionId }) => preemptionId);
}

/** A STOP as the holder of the node is told it; undefined where none stands. */
export function stopFor(node: Allocation): { readonly preemptionId: string; readonly graceMs: number } | undefined {
  const stop = stoppedBy(node)?.reclaim;
  return stop && { preemptionId: stop.preemptionId, graceMs: stop.graceMs ?? 0 };
}
