/** Allocations, holds and waiters, from the parts of a snapshot; and the way from places back to them. */
import { ZERO } from "./amount.ts";
import { NO_ENTRIES, NO_LIST, type Texts, withItem } from "./collections.ts";
import { demandOf } from "./demand.ts";
import { effectKey } from "./draft.ts";
import { namesAwaited, namesTaken, wantedBy } from "./evolve-access.ts";
import { joinQueue } from "./evolve-queue.ts";
import { ownBook, ownHeldBook } from "./ledger.ts";
import { CONSUMABLES, HELD_RESOURCES, type Limits } from "./resource.ts";
import { withSibling } from "./siblings.ts";
import { SnapshotError } from "./snapshot-error.ts";
import type { AllocationPart, DueName, HoldPart, NamesPart, Place, WaiterPart } from "./snapshot-part.ts";
import { Allocation, type BudgetState, createState, Hold, type Opening, ownTally, type Waiter } from "./state.ts";
import { NO_TRANCHES, within } from "./tranches.ts";
import { baseOf } from "./turn.ts";
import { laneOf } from "./waiter.ts";

/** Something that has ended, told by itself: in a snapshot of the first format. */
export interface RestoredSubject {
  readonly forgetAtMs: number;
  readonly id: string;
  readonly hold: Hold | undefined;
  /** An allocation that is there: its effect keys may still be on their way. */
  readonly node: Allocation | undefined;
  /** Of what is itself gone. */
  effectKeys: Texts;
}

/** A state that is being built, and what came for each place. */
export interface Restoring {
  readonly state: BudgetState;
  readonly nodes: Allocation[];
  readonly holds: Hold[];
  readonly waiters: Waiter[];
  /** Only of a snapshot that tells what has ended one by one. */
  readonly ended: RestoredSubject[];
  readonly seenDue: { readonly [D in DueName]: Set<Place> };
}

/** `hashSeed`: see createState. */
export function createRestoring(hashSeed: number): Restoring {
  const seenDue = { holds: new Set<Place>(), leases: new Set<Place>(), deadlines: new Set<Place>() };
  const empty = { nodes: [], holds: [], waiters: [], ended: [] };
  return { state: createState(hashSeed), ...empty, seenDue: { ...seenDue, waiters: new Set(), claims: new Set() } };
}

export function found<T>(items: readonly T[], place: Place, what: string): T {
  const item = items[place];
  if (item === undefined) throw new SnapshotError(`it refers to ${what} ${place} of ${items.length}`);
  return item;
}

export function nodeAt({ nodes }: Restoring, place: Place): Allocation {
  return found(nodes, place, "allocation");
}

export function holdAt({ holds }: Restoring, place: Place): Hold {
  return found(holds, place, "hold");
}

export function waiterAt({ waiters }: Restoring, place: Place): Waiter {
  return found(waiters, place, "waiting request");
}

export function restoreAllocation(restoring: Restoring, part: AllocationPart): void {
  const { state, nodes } = restoring;
  const parent = part.parent === undefined ? undefined : nodeAt(restoring, part.parent);
  const node = allocationOf(part, parent);
  nodes.push(node);
  if (part.forgotten) {
    if (node.state !== "closed") throw new SnapshotError(`${node.id} is forgotten and ${node.state}`);
    return;
  }
  const known = state.allocations.size;
  state.allocations.set(node.id, node);
  if (state.allocations.size === known) throw new SnapshotError(`allocation ${node.id} stands twice`);
  if (part.wish) state.sharing.wishes.set(node, part.wish);
  state.shadows.opened(node);
  if (!parent) state.roots.add(node);
  if (node.state === "closed") return;
  if (parent) parent.children = withSibling(parent.children, node);
  else state.openRoots.add(node);
}

function allocationOf(part: AllocationPart, parent: Allocation | undefined): Allocation {
  if (!parent && part.path === undefined) throw new SnapshotError(`${part.id} has neither a path nor a parent`);
  const node = new Allocation(openingOf(part), parent);
  node.state = part.state;
  node.closingReason = part.closingReason;
  node.closedAtMs = part.closedAtMs;
  node.doubtful = part.doubtful;
  node.grantedTotal = part.grantedTotal;
  node.returnedTotal = part.returnedTotal;
  node.usageSequence = part.usageSequence;
  node.corrections = part.corrections;
  node.writtenOff = part.writtenOff;
  node.uncorrected = part.uncorrected;
  for (const resource of CONSUMABLES) {
    if (!isBlank(part.books[resource])) Object.assign(ownBook(node, resource), part.books[resource]);
  }
  for (const resource of HELD_RESOURCES) {
    if (!isBlank(part.held[resource])) Object.assign(ownHeldBook(node, resource), part.held[resource]);
  }
  carveAsTold(node);
  const { tally, callsPerTool } = part;
  if (!isBlank(tally) || callsPerTool.length > 0) {
    Object.assign(ownTally(node), tally);
    ownTally(node).callsPerTool = mapOf(callsPerTool);
  }
  node.holders = mapOf(part.holders);
  node.effectKeys = textsOf(part.effectKeys);
  return node;
}

/** Of a snapshot that tells no more of it than the sizes, all is left that can be; else what is left is told later. */
function carveAsTold({ tranches, books }: Allocation): void {
  if (tranches !== NO_TRANCHES) tranches.left = within(tranches.carve, books.credits.available);
}

/** The opening of an allocation: which resources are limited, the books say. */
function openingOf(part: AllocationPart): Opening {
  const { books, held, priorityBonus, emergencyReserve } = part;
  const limits: { -readonly [L in keyof Limits]: Limits[L] } = { priorityBonus, emergencyReserve };
  for (const resource of CONSUMABLES) if (!books[resource].elastic) limits[resource] = ZERO;
  for (const resource of HELD_RESOURCES) if (!held[resource].elastic) limits[resource] = ZERO;
  return {
    allocationId: part.id,
    atMs: part.openedAtMs,
    name: part.name,
    path: part.path,
    depth: part.depth,
    kind: part.kind,
    side: part.side,
    limits,
    pooled: part.pooled,
    priority: part.priority,
    weight: part.weight,
    policy: part.policy,
    deadlineAtMs: part.deadlineAtMs,
    peer: part.peer,
    token: part.token,
    epoch: part.epoch,
    leaseTtlMs: part.leaseTtlMs,
    leaseEndsAtMs: part.leaseEndsAtMs,
  };
}

/** Nothing is in it: no number but zeros. */
function isBlank(book: object): boolean {
  return Object.values(book).every((value) => typeof value !== "number" || value === 0);
}

export function textsOf(list: readonly string[]): Texts {
  const [first] = list;
  if (first === undefined) return NO_LIST;
  return list.length === 1 ? first : [...list];
}

function mapOf(entries: readonly (readonly [string, number])[]): ReadonlyMap<string, number> {
  return entries.length === 0 ? NO_ENTRIES : new Map(entries);
}

export function restoreHold(restoring: Restoring, part: HoldPart): void {
  const { state, holds } = restoring;
  const { id, what, name, amounts, clamped, expiresAtMs, charged } = part;
  const allocation = nodeAt(restoring, part.allocation);
  const placed = {
    holdId: id,
    what,
    name,
    amounts,
    clamped,
    expiresAtMs,
    effectKey: keyOf(part, allocation),
    fingerprint: 0,
  };
  const hold = new Hold(placed, allocation);
  hold.state = part.state;
  hold.charged = charged;
  holds.push(hold);
  if (hold.state === "ended") return;
  const known = state.holds.size;
  state.holds.set(id, hold);
  if (state.holds.size === known) throw new SnapshotError(`hold ${id} stands twice`);
  if (allocation.state === "closed") throw new SnapshotError(`hold ${id} is ${hold.state} at a closed allocation`);
  allocation.holds = withItem(allocation.holds, hold);
  if (hold.state === "live") allocation.liveHolds += 1;
}

function keyOf({ id, requestId, effectKey: key }: HoldPart, allocation: Allocation): string {
  if (requestId !== undefined) return effectKey(allocation.id, requestId);
  if (key === undefined) throw new SnapshotError(`hold ${id} has no request`);
  return key;
}

export function restoreNames(restoring: Restoring, { allocation, access }: NamesPart): void {
  const node = nodeAt(restoring, allocation);
  if (node.state === "closed") throw new SnapshotError(`${node.id} is closed and holds names`);
  if (restoring.state.names.heldBy(node)) throw new SnapshotError(`the names of ${node.id} stand twice`);
  namesTaken(restoring.state, node, access);
}

export function restoreWaiter(restoring: Restoring, part: WaiterPart): void {
  const { effectKey: key, request, fingerprint, untilMs, arrivedAtMs, deadlineAtMs, sequence } = part;
  const parent = nodeAt(restoring, part.parent);
  const waiting = { kind: "waiting", effectKey: key, parentId: parent.id, request, fingerprint, untilMs } as const;
  const base = baseOf(restoring.state, request);
  if (base === undefined) throw new SnapshotError(`${JSON.stringify(key)} waits for more of what is not known`);
  const demand = demandOf(request);
  const shut = wantedBy({ request }) === undefined ? {} : { shut: true };
  const waiter = { ...waiting, base, arrivedAtMs, deadlineAtMs, sequence, demand, lane: laneOf(demand), ...shut };
  restoring.waiters.push(waiter);
  joinQueue(parent, waiter);
  namesAwaited(restoring.state, parent, waiter);
}
