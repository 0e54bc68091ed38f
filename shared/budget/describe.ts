/** The whole state as plain, ordered data: two states are the same when their descriptions are. For tests, snapshots and doctors. */
import type { Allocation, BudgetState } from "./state.ts";

/** Plain data of everything that the events decide; the due indexes follow from it. */
export function describeState(state: BudgetState): unknown {
  return {
    engineTimeMs: state.engineTimeMs,
    waiterSequence: state.waiterSequence,
    allocations: [...state.allocations.values()].map(describeAllocation),
    roots: [...state.roots].map(({ id }) => id),
    holds: [...state.holds.values()].map(({ allocation, ...hold }) => ({ ...hold, allocationId: allocation.id })),
    effects: [...state.effects],
  };
}

function describeAllocation(node: Allocation): unknown {
  const ids = (nodes: Iterable<{ readonly id: string }>) => [...nodes].map(({ id }) => id);
  return {
    ...node,
    parent: node.parent?.id,
    children: ids(node.children),
    holders: [...node.holders],
    closedChildren: ids(node.closedChildren),
    holds: ids(node.holds),
    tally: { ...node.tally, callsPerTool: [...node.tally.callsPerTool] },
    reclaims: [...node.reclaims.values()],
    endedReclaims: [...node.endedReclaims.values()],
    notes: [...node.notes],
  };
}
