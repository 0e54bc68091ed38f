/**
 * Names, the slow and obvious way: plain lists of who holds and who waits, and every pair of them looked at. Written from the rule alone:
 * two may have a name side by side when both share it, or when one stands under the other.
 */
import type { Access } from "./access.ts";
import type { Allocation, BudgetState, Waiter } from "./state.ts";

/** `a` and `b`: paths of names from the root down. */
export function isUnder(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`);
}

/** Names that both want or have, at least one of them alone. */
export function disputed(a: readonly Access[], b: readonly Access[]): string[] {
  return a
    .filter((one) =>
      b.some(({ name, mode }) => name === one.name && (mode === "EXCLUSIVE" || one.mode === "EXCLUSIVE")),
    )
    .map(({ name }) => name);
}

const rootPath = (node: Allocation): Allocation => (node.parent ? rootPath(node.parent) : node);

/** How a request that waits stands with its names: somebody has one of them; all can be had whoever else waits; or that depends on who waits. */
export function namesOf(state: BudgetState, node: Allocation, { request }: Waiter): "held" | "free" | "contested" {
  const wanted = request.type === "open" ? (request.access ?? []) : [];
  if (wanted.length === 0) return "free";
  const inRoot = (other: Allocation) => rootPath(other) === rootPath(node);
  for (const other of state.allocations.values()) {
    const held = state.names.heldBy(other);
    if (!held || other.state === "closed" || !inRoot(other) || isUnder(node.path, other.path)) continue;
    if (disputed(wanted, held).length > 0) return "held";
  }
  for (const other of state.allocations.values()) {
    if (!inRoot(other)) continue;
    for (const { request: also } of other.waiters) {
      if (also === request || also.type !== "open" || !also.access) continue;
      if (disputed(wanted, also.access).length > 0) return "contested";
    }
  }
  return "free";
}
