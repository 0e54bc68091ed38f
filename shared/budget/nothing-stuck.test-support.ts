/**
 * What must hold after any decision beside the invariants: nothing is left lying that should have moved. Written from budgets.md, without
 * the engine's own rules.
 */
import { assert } from "#std";
import type { GrantWish } from "./command.ts";
import { CONSUMABLES, HELD_RESOURCES, RESOURCES, type Resource } from "./resource.ts";
import { type Allocation, type BudgetState, rootOf } from "./state.ts";

/** What of a limited resource is free at a node and set aside for nobody, from the books alone. */
export function freeAt(node: Allocation, resource: Resource): number {
  const book = resource === "credits" || resource === "toolCalls" ? node.books[resource] : node.held[resource];
  if (book.elastic) return Number.POSITIVE_INFINITY;
  const aside = node.waiters.earmarks.total[resource];
  return ("available" in book ? book.available : book.limit - book.inUse) - aside;
}

/**
 * After any decision: a closing node is closed when it is empty and keeps nothing that is free; a pending preemption finds nothing more
 * to take at once; the first of those who wait at an open node does not fit.
 */
export function assertNothingStuck(state: BudgetState, nowMs: number): void {
  for (const node of state.allocations.values()) {
    if (node.state === "closed" || node.side === "delegated") continue;
    const free = RESOURCES.filter((resource) => Number.isFinite(freeAt(node, resource)) && freeAt(node, resource) > 0);
    if (node.state === "closing") {
      const live = [...node.holds].some((hold) => hold.state === "live");
      assert(node.children.size > 0 || live, `${node.path} is empty and still closing`);
      assert(free.length === 0 || (!node.parent && node.side === "local"), `${node.path} is closing and keeps ${free}`);
    }
    const idle = node.pooled.filter((resource) => node.side === "local" && freeAt(node, resource) > 0);
    assert(idle.length === 0, `${node.path} keeps ${idle}, which it should draw and hand back`);
    for (let at: Allocation | undefined = node; at; at = at.parent) {
      // What a pool gives back it may draw again; there a preemption finds only what comes free.
      const { pooled, reclaims } = at;
      const kept = free.filter((resource) => !(pooled as readonly Resource[]).includes(resource));
      for (const { preemptionId, wanted, reclaimed } of reclaims.values()) {
        const unfed = kept.filter((resource) => wanted[resource] > reclaimed[resource]);
        assert(unfed.length === 0, `${preemptionId} at ${at.path} waits for ${unfed}, which ${node.path} has free`);
      }
    }
    const [head] = node.waiters;
    if (head && node.state === "open" && mayTakeWork(node, nowMs)) {
      assert(!fits(node, head.request), `${head.request.requestId} waits at ${node.path} although it fits`);
    }
  }
}

function mayTakeWork(node: Allocation, nowMs: number): boolean {
  const root = rootOf(node);
  const held = root.side !== "received" || root.leaseEndsAtMs === undefined || root.leaseEndsAtMs > nowMs;
  return held && (node.deadlineAtMs === undefined || node.deadlineAtMs > nowMs);
}

function fits(node: Allocation, wish: GrantWish): boolean {
  const slot = wish.type === "open" && wish.kind !== "account" ? 1 : 0;
  const held = (resource: "branches" | "memoryBytes") =>
    wish.type === "raise" ? wish.by[resource] : (wish.limits[resource] ?? 0) + (resource === "branches" ? slot : 0);
  return (
    CONSUMABLES.every((resource) => {
      const asked = wish.type === "raise" ? wish.by[resource] : (wish.limits[resource] ?? 0);
      const least = Math.min(wish.min[resource], asked);
      return least === 0 || (freeAt(node, resource) >= least && node.books[resource].debt === 0);
    }) && HELD_RESOURCES.every((resource) => freeAt(node, resource) >= held(resource))
  );
}
