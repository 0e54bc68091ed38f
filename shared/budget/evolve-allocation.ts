/** How allocations open, grow, shrink and close. */
import { assert } from "#std";
import { add, subtract, ZERO } from "./amount.ts";
import { addUsage, assertBook, doubtShare, give, grantedShare, lowerLimit, raiseLimit } from "./book.ts";
import { NO_ENTRIES, NO_ITEMS, withEntry, withItem, withoutEntry, withoutItem } from "./collections.ts";
import type { AllocationClosed, AllocationClosing, AllocationOpened, LimitLowered, LimitRaised } from "./event.ts";
import { endHold } from "./evolve-call.ts";
import { changeHeldLimits, freeHeld, takeHeld } from "./held.ts";
import { leaseLeft } from "./lease.ts";
import type { KeptOpening } from "./outcome.ts";
import { addAmounts, amountsOf, CONSUMABLES, type Consumable, HELD_RESOURCES, type Limits } from "./resource.ts";
import { keepEnded } from "./retention.ts";
import { type Allocation, type BudgetState, createAllocation, heldShare } from "./state.ts";

export function evolveAllocationOpened(state: BudgetState, event: AllocationOpened): void {
  const parent = event.parentId === undefined ? undefined : state.allocations.get(event.parentId);
  assert((event.parentId === undefined) === (parent === undefined), `unknown parent ${event.parentId}`);
  const node = createAllocation(event, parent);
  const known = state.allocations.size;
  state.allocations.set(node.id, node);
  assert(state.allocations.size > known, `allocation ${node.id} opened twice`);
  if (parent) parent.children = withItem(parent.children, node);
  else state.roots.add(node);
  const limits = amountsOf(event.limits);
  for (const resource of CONSUMABLES) raiseLimit(node, resource, limits[resource]);
  node.grantedTotal = limits;
  if (parent) takeShare(parent, node);
  if (node.deadlineAtMs !== undefined) state.due.deadlines.add(node, node.deadlineAtMs);
  if (node.leaseEndsAtMs !== undefined) state.due.leases.add(node, node.leaseEndsAtMs);
  countHolding(node, 1);
  if (!event.effect) return;
  const { key, fingerprint, partial } = event.effect;
  state.effects.set(key, { fingerprint, answer: openedOutcome(node, partial) });
}

function takeShare(parent: Allocation, node: Allocation): void {
  for (const resource of HELD_RESOURCES) takeHeld(parent, resource, heldShare(node, resource));
}

function countHolding(node: Allocation, by: 1 | -1): void {
  const { parent, peer } = node;
  if (node.side !== "delegated" || !parent || peer === undefined) return;
  const count = (parent.holders.get(peer) ?? 0) + by;
  parent.holders = count === 0 ? withoutEntry(parent.holders, peer) : withEntry(parent.holders, peer, count);
}

/** The answer to the request that opened `node`. */
export function openedOutcome(node: Allocation, partial: boolean): KeptOpening {
  return {
    type: "opened",
    allocationId: node.id,
    path: node.path,
    depth: node.depth,
    name: node.name,
    kind: node.kind,
    priority: node.priority,
    weight: node.weight,
    policy: node.policy,
    limits: limitsOf(node),
    pooled: node.pooled,
    grantedTotal: node.grantedTotal,
    epoch: node.epoch,
    leaseTtlMs: leaseLeft(node, node.openedAtMs),
    token: node.token,
    deadlineAtMs: node.deadlineAtMs,
    partial,
    repeated: false,
  };
}

/** The limits of a node as they stand, an absent resource being unlimited. */
export function limitsOf(node: Allocation): Limits {
  const { credits, toolCalls } = node.books;
  const { branches, memoryBytes } = node.held;
  const { priorityBonus, emergencyReserve } = node;
  const limits: { -readonly [L in keyof Limits]: Limits[L] } = { priorityBonus, emergencyReserve };
  if (!credits.elastic) limits.credits = credits.limit;
  if (!toolCalls.elastic) limits.toolCalls = toolCalls.limit;
  if (!branches.elastic) limits.branches = branches.limit;
  if (!memoryBytes.elastic) limits.memoryBytes = memoryBytes.limit;
  return limits;
}

export function evolveLimitRaised(state: BudgetState, event: LimitRaised, node: Allocation): void {
  assert(node.state !== "closed", `${node.path} is closed, its limit cannot grow`);
  for (const resource of CONSUMABLES) raiseLimit(node, resource, event.by[resource]);
  changeHeldLimits(node, event.by, "up");
  node.grantedTotal = addAmounts(node.grantedTotal, event.by);
  if (!event.effect) return;
  const { key, fingerprint, partial } = event.effect;
  const { by } = event;
  const answer = { type: "raised", allocationId: node.id, epoch: node.epoch, by, partial, repeated: false } as const;
  state.effects.set(key, { fingerprint, answer: { ...answer, grantedTotal: node.grantedTotal } });
  node.effectKeys.push(key);
}

export function evolveLimitLowered(event: LimitLowered, node: Allocation): void {
  assert(node.state !== "closed", `${node.path} is closed, its limit cannot shrink`);
  for (const resource of CONSUMABLES) lowerLimit(node, resource, event.by[resource]);
  changeHeldLimits(node, event.by, "down");
  node.returnedTotal = addAmounts(node.returnedTotal, event.by);
  if (event.preemptionId === undefined) return;
  const reclaim = node.reclaims.get(event.preemptionId);
  assert(reclaim !== undefined, `unknown preemption ${event.preemptionId} at ${node.path}`);
  reclaim.reclaimed = addAmounts(reclaim.reclaimed, event.by);
}

export function evolveAllocationClosing(event: AllocationClosing, node: Allocation): void {
  assert(node.state === "open", `${node.path} is ${node.state}, it cannot begin to close`);
  node.state = "closing";
  node.closingReason = event.reason;
}

/** I5: at the close nothing is reserved, granted or in doubt; the unconfirmed is spent; usage goes to the parent, the rest is free. */
export function evolveAllocationClosed(state: BudgetState, event: AllocationClosed, node: Allocation): void {
  assert(node.state === "closing", `${node.path} is ${node.state}, it cannot be closed`);
  assert(node.children.size === 0, `I5 broken: ${node.path} closes with open children`);
  for (const hold of [...node.holds]) endHold(state, hold);
  for (const resource of CONSUMABLES) confirmAll(node, resource);
  const { parent } = node;
  if (parent) {
    for (const resource of CONSUMABLES) leaveParent(node, parent, resource);
    for (const resource of HELD_RESOURCES) freeHeld(parent, resource, heldShare(node, resource));
    parent.children = withoutItem(parent.children, node);
  }
  node.state = "closed";
  node.closedAtMs = event.atMs;
  node.children = NO_ITEMS;
  node.holds = NO_ITEMS;
  node.reclaims = NO_ENTRIES;
  dropIndexes(state, node);
  countHolding(node, -1);
  keepEnded(state, node);
}

function confirmAll(node: Allocation, resource: Consumable): void {
  const book = node.books[resource];
  assert(book.reserved === 0 && book.granted === 0 && book.inDoubt === 0, `I5 broken at ${node.path} ${resource}`);
  const confirmed = book.unconfirmed;
  book.unconfirmed = ZERO;
  book.spent = add(book.spent, confirmed);
  addUsage(node, resource, confirmed);
}

function leaveParent(node: Allocation, parent: Allocation, resource: Consumable): void {
  const above = parent.books[resource];
  const granted = grantedShare(node, resource);
  const doubt = doubtShare(node, resource);
  const { usage } = node.books[resource];
  above.granted = subtract(above.granted, granted);
  above.inDoubt = subtract(above.inDoubt, doubt);
  above.spent = add(above.spent, usage);
  give(parent, resource, subtract(add(granted, doubt), usage));
  assertBook(parent, resource);
}

function dropIndexes(state: BudgetState, node: Allocation): void {
  if (node.deadlineAtMs !== undefined) state.due.deadlines.remove(node, node.deadlineAtMs);
  if (node.leaseEndsAtMs !== undefined) state.due.leases.remove(node, node.leaseEndsAtMs);
}
