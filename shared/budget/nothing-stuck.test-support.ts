/**
 * What must hold after any decision beside the invariants: nothing is left lying that should have moved. Written from budgets.md, without
 * the engine's own rules.
 */
import { assert } from "#std";
import type { GrantWish } from "./command.ts";
import { namesOf } from "./names-model.test-support.ts";
import { CONSUMABLES, HELD_RESOURCES, RESOURCES, type Resource } from "./resource.ts";
import { type Allocation, type BudgetState, rootOf, type Waiter } from "./state.ts";

/** What of a limited resource is free at a node and set aside for nobody, from the books alone. */
export function freeAt(node: Allocation, resource: Resource): number {
  const book = resource === "credits" || resource === "toolCalls" ? node.books[resource] : node.held[resource];
  if (book.elastic) return Number.POSITIVE_INFINITY;
  const aside = node.waiters.earmarks.total[resource] + neededAhead(node, resource);
  return ("available" in book ? book.available : book.limit - book.inUse) - aside;
}

/** What of it reservations that have not begun need at the same time, at most. */
function neededAhead(node: Allocation, resource: Resource): number {
  if (resource === "credits" || resource === "toolCalls") return 0;
  const ahead = [...node.waiters.reservations.values()].filter(({ begun }) => !begun);
  const sums = ahead.map(({ startsAtMs: at }) =>
    ahead.reduce(
      (sum, { startsAtMs, endsAtMs, left }) => sum + (startsAtMs <= at && at < endsAtMs ? left[resource] : 0),
      0,
    ),
  );
  return Math.max(0, ...sums);
}

/**
 * After any decision: a closing node is closed when it is empty and keeps nothing that is free; a pending preemption finds nothing more
 * to take at once; the first of those who wait at an open node does not fit.
 */
export function assertNothingStuck(state: BudgetState, nowMs: number): void {
  for (const node of state.allocations.values()) {
    if (node.state === "closed" || node.side === "delegated") continue;
    // While it is open it keeps what only its final step may draw; and that step keeps what it has.
    const isFinal = node.parent?.tranches.finalStep === node && !node.pooled.includes("credits");
    const kept = node.state !== "open" ? 0 : isFinal ? Number.POSITIVE_INFINITY : node.tranches.left.wrapUp;
    const givable = (resource: Resource) => freeAt(node, resource) - (resource === "credits" ? kept : 0);
    const free = RESOURCES.filter((resource) => Number.isFinite(givable(resource)) && givable(resource) > 0);
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
      const inPart = free.filter((resource) => !(pooled as readonly Resource[]).includes(resource));
      for (const { preemptionId, wanted, reclaimed } of reclaims.values()) {
        const unfed = inPart.filter((resource) => wanted[resource] > reclaimed[resource]);
        assert(unfed.length === 0, `${preemptionId} at ${at.path} waits for ${unfed}, which ${node.path} has free`);
      }
    }
    const head = firstInTurn(state, node);
    if (head && node.state === "open" && mayTakeWork(node, nowMs)) {
      assert(
        !fits(node, head.request, hiddenFrom(node, head.base)),
        `${head.request.requestId} waits at ${node.path} although it fits`,
      );
    }
  }
}

/** The first who waits and does not wait for a name; nobody, where that depends on who else waits for it. */
function firstInTurn(state: BudgetState, node: Allocation): Waiter | undefined {
  for (const waiter of node.waiters) {
    // It waits for its own.
    if (waiter.request.reservationId !== undefined) continue;
    const names = namesOf(state, node, waiter);
    if (names !== "held") return names === "free" ? waiter : undefined;
  }
  return undefined;
}

function mayTakeWork(node: Allocation, nowMs: number): boolean {
  const root = rootOf(node);
  const held = root.side !== "received" || root.leaseEndsAtMs === undefined || root.leaseEndsAtMs > nowMs;
  // Nothing new is taken below a pause.
  for (let at: Allocation | undefined = node; at; at = at.parent) {
    for (const { mode } of at.reclaims.values()) if (mode === "PAUSE") return false;
  }
  return held && (node.deadlineAtMs === undefined || node.deadlineAtMs > nowMs);
}

/** The credits that one of this rank may not draw: carved for others. */
function hiddenFrom({ tranches: { left } }: Allocation, base: number): number {
  return left.wrapUp + (base < 2 ? left.bonus : 0) + (base < 3 ? left.emergency : 0);
}

function fits(node: Allocation, wish: GrantWish, hidden: number): boolean {
  const slot = wish.type === "open" && wish.kind !== "account" ? 1 : 0;
  const held = (resource: "branches" | "memoryBytes") =>
    wish.type === "raise" ? wish.by[resource] : (wish.limits[resource] ?? 0) + (resource === "branches" ? slot : 0);
  return (
    CONSUMABLES.every((resource) => {
      const asked = wish.type === "raise" ? wish.by[resource] : (wish.limits[resource] ?? 0);
      const least = Math.min(wish.min[resource], asked);
      const free = freeAt(node, resource) - (resource === "credits" ? hidden : 0);
      return least === 0 || (free >= least && node.books[resource].debt === 0);
    }) && HELD_RESOURCES.every((resource) => freeAt(node, resource) >= held(resource))
  );
}
