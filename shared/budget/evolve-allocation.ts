/** How allocations open, grow, shrink and close. */
import { assert, InvariantError } from "#std";
import { add, subtract, ZERO } from "./amount.ts";
import { owedChanged, pendingOf } from "./asked.ts";
import { addUsage, assertBook, doubtShare, give, grantedShare, lowerLimit, raiseLimit } from "./book.ts";
import { NO_ENTRIES, NO_ITEMS, withEntry, withoutEntry, withText } from "./collections.ts";
import type {
  AllocationClosed,
  AllocationClosing,
  AllocationOpened,
  LimitLowered,
  LimitRaised,
  LimitsUpdated,
  TranchesSet,
} from "./event.ts";
import { namesFreed, namesTaken } from "./evolve-access.ts";
import { endHold } from "./evolve-call.ts";
import { endReservations } from "./evolve-reservation.ts";
import { changeHeldLimits, freeHeld, takeHeld } from "./held.ts";
import { leaseLeft } from "./lease.ts";
import { bookOf, ownBook } from "./ledger.ts";
import { addAmounts, amountsOf, CONSUMABLES, type Consumable, HELD_RESOURCES } from "./resource.ts";
import { keepEnded } from "./retention.ts";
import { NO_SIBLINGS, withoutSibling, withSibling } from "./siblings.ts";
import { Allocation, type BudgetState, type Hold, heldShare } from "./state.ts";
import { NO_PARTS, NO_TRANCHES, Tranches } from "./tranches.ts";
import type { History } from "./victims.ts";

export function evolveAllocationOpened(state: BudgetState, event: AllocationOpened, subject?: Allocation | Hold): void {
  const parent = parentOf(state, event, subject);
  const node = new Allocation(event, parent);
  const known = state.allocations.size;
  state.allocations.set(node.id, node);
  if (state.allocations.size === known) throw new InvariantError(`allocation ${node.id} opened twice`);
  if (parent) parent.children = withSibling(parent.children, node);
  else {
    state.roots.add(node);
    state.openRoots.add(node);
  }
  if (parent && event.wrapUp) parent.tranches.beginFinalStep(node);
  const limits = amountsOf(event.limits);
  raiseLimit(node, "credits", limits.credits);
  raiseLimit(node, "toolCalls", limits.toolCalls);
  node.grantedTotal = limits;
  if (parent) takeShare(parent, node);
  if (node.deadlineAtMs !== undefined) state.due.deadlines.add(node, node.deadlineAtMs);
  if (node.leaseEndsAtMs !== undefined) state.due.leases.add(node, node.leaseEndsAtMs);
  countHolding(node, 1);
  state.victims.opened(node);
  if (event.access) namesTaken(state, node, event.access);
  state.shadows.opened(node);
  const { arrivedAtMs, preemptedAtMs } = event;
  if (arrivedAtMs !== undefined || preemptedAtMs !== undefined) state.victims.remember(node.id, historyOf(event));
  if (!event.effect) return;
  const { key, fingerprint, partial } = event.effect;
  const { policy, grantedTotal, epoch } = node;
  const leaseTtlMs = leaseLeft(node, node.openedAtMs);
  node.effectKeys = key;
  state.effects.set(key, { kind: "opening", fingerprint, node, policy, grantedTotal, epoch, leaseTtlMs, partial });
}

function historyOf({ arrivedAtMs, preemptedAtMs }: AllocationOpened): History {
  return { ...(arrivedAtMs !== undefined && { arrivedAtMs }), ...(preemptedAtMs !== undefined && { preemptedAtMs }) };
}

function parentOf(
  { allocations }: BudgetState,
  { parentId }: AllocationOpened,
  subject: Allocation | Hold | undefined,
): Allocation | undefined {
  if (parentId === undefined) return undefined;
  const found = subject instanceof Allocation && subject.id === parentId ? subject : allocations.get(parentId);
  assert(found !== undefined, "the parent of what opens is known");
  return found;
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

export function evolveLimitRaised(state: BudgetState, event: LimitRaised, node: Allocation): void {
  if (node.state === "closed") throw new InvariantError(`${node.path} is closed, its limit cannot grow`);
  raiseLimit(node, "credits", event.by.credits);
  raiseLimit(node, "toolCalls", event.by.toolCalls);
  changeHeldLimits(node, event.by, "up");
  node.grantedTotal = addAmounts(node.grantedTotal, event.by);
  if (!event.effect) return;
  const { key, fingerprint, partial } = event.effect;
  const { by } = event;
  const answer = { type: "raised", allocationId: node.id, epoch: node.epoch, by, partial, repeated: false } as const;
  const { grantedTotal } = node;
  state.effects.set(key, { kind: "answer", fingerprint, answer: { ...answer, grantedTotal } });
  node.effectKeys = withText(node.effectKeys, key);
}

export function evolveLimitLowered(event: LimitLowered, node: Allocation): void {
  if (node.state === "closed") throw new InvariantError(`${node.path} is closed, its limit cannot shrink`);
  lowerLimit(node, "credits", event.by.credits);
  lowerLimit(node, "toolCalls", event.by.toolCalls);
  changeHeldLimits(node, event.by, "down");
  node.returnedTotal = addAmounts(node.returnedTotal, event.by);
  if (event.preemptionId === undefined) return;
  const reclaim = node.reclaims.get(event.preemptionId);
  assert(reclaim !== undefined, `unknown preemption ${event.preemptionId} at ${node.path}`);
  const before = pendingOf(reclaim);
  reclaim.reclaimed = addAmounts(reclaim.reclaimed, event.by);
  owedChanged(node, event.preemptionId, before);
  node.parent?.waiters.claims.giverMoved(node.id);
}

export function evolveLimitsUpdated(state: BudgetState, event: LimitsUpdated, node: Allocation): void {
  const { before, after, effect } = event;
  const answer = { type: "updated", allocationId: node.id, before, after, repeated: false } as const;
  state.effects.set(effect.key, { kind: "answer", fingerprint: effect.fingerprint, answer });
  node.effectKeys = withText(node.effectKeys, effect.key);
}

export function evolveAllocationClosing(state: BudgetState, event: AllocationClosing, node: Allocation): void {
  if (node.state !== "open") throw new InvariantError(`${node.path} is ${node.state}, it cannot begin to close`);
  node.state = "closing";
  node.closingReason = event.reason;
  if (node.waiters.reservations.size > 0) endReservations(state, node);
  state.victims.closing(node);
}

/** I5: at the close nothing is reserved, granted or in doubt; the unconfirmed is spent; usage goes to the parent, the rest is free. */
export function evolveAllocationClosed(state: BudgetState, event: AllocationClosed, node: Allocation): void {
  if (node.state !== "closing") throw new InvariantError(`${node.path} is ${node.state}, it cannot be closed`);
  if (node.children.size > 0) throw new InvariantError(`I5 broken: ${node.path} closes with open children`);
  if (node.holds.size > 0) for (const hold of [...node.holds]) endHold(state, hold);
  for (const resource of CONSUMABLES) confirmAll(node, resource);
  const { parent } = node;
  if (parent) {
    for (const resource of CONSUMABLES) leaveParent(node, parent, resource);
    if (parent.tranches !== NO_TRANCHES) leaveTranches(node, parent);
    for (const resource of HELD_RESOURCES) freeHeld(parent, resource, heldShare(node, resource));
    parent.children = withoutSibling(parent.children, node);
    parent.waiters.claims.giverMoved(node.id);
  }
  node.state = "closed";
  node.closedAtMs = event.atMs;
  node.children = NO_SIBLINGS;
  node.holds = NO_ITEMS;
  node.reclaims = NO_ENTRIES;
  dropIndexes(state, node);
  state.victims.closed(node);
  namesFreed(state, node);
  state.shadows.closed(node);
  countHolding(node, -1);
  keepEnded(state, node);
}

function confirmAll(node: Allocation, resource: Consumable): void {
  const book = bookOf(node, resource);
  const empty = book.reserved === 0 && book.granted === 0 && book.inDoubt === 0;
  if (!empty) throw new InvariantError(`I5 broken at ${node.path} ${resource}`);
  const confirmed = book.unconfirmed;
  if (confirmed === 0) return;
  const own = ownBook(node, resource);
  own.unconfirmed = ZERO;
  own.spent = add(own.spent, confirmed);
  addUsage(node, resource, confirmed);
}

function leaveParent(node: Allocation, parent: Allocation, resource: Consumable): void {
  const granted = grantedShare(node, resource);
  const doubt = doubtShare(node, resource);
  const { usage } = bookOf(node, resource);
  if (granted === 0 && doubt === 0) return;
  const above = ownBook(parent, resource);
  above.granted = subtract(above.granted, granted);
  above.inDoubt = subtract(above.inDoubt, doubt);
  above.spent = add(above.spent, usage);
  give(parent, resource, subtract(add(granted, doubt), usage), node);
  assertBook(parent, resource);
}

/** What it drew and has not given back is spent; but a true account that is still missing may bring some of it back. */
function leaveTranches(node: Allocation, { tranches }: Allocation): void {
  if (node.uncorrected === 0) tranches.forget(node);
  else tranches.endFinalStep(node);
}

/** The sizes of what is carved inside the credits; what is added is general there. */
export function evolveTranchesSet({ carve }: TranchesSet, node: Allocation): void {
  if (node.tranches === NO_TRANCHES) node.tranches = new Tranches(NO_PARTS);
  node.tranches.resize(carve);
}

function dropIndexes(state: BudgetState, node: Allocation): void {
  if (node.deadlineAtMs !== undefined) state.due.deadlines.remove(node, node.deadlineAtMs);
  if (node.leaseEndsAtMs !== undefined) state.due.leases.remove(node, node.leaseEndsAtMs);
}
