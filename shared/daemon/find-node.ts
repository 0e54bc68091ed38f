/** Finds a node by what people call it. */
import type { Allocation, BudgetState } from "#budget";

/** By id, or by path; of several with the same path the open one, or the latest. */
export function findNode(state: BudgetState, idOrPath: string): Allocation | undefined {
  const known = state.allocations.get(idOrPath);
  if (known) return known;
  const found = [...state.allocations.values()].filter((node) => node.path === idOrPath);
  return found.find((node) => node.state === "open") ?? found.at(-1);
}
