/** Allocations, holds, waiters and what has ended, from the parts of a snapshot; and the way from places back to them. */
import { NO_ENTRIES, NO_ITEMS, withItem } from "./collections.ts";
import { demandOf } from "./demand.ts";
import { effectKey } from "./draft.ts";
import { SnapshotError } from "./snapshot-error.ts";
import type { AllocationPart, DueName, EndedPart, HoldPart, Place, WaiterPart } from "./snapshot-part.ts";
import { type Allocation, type BudgetState, createState, type Hold, type Waiter } from "./state.ts";

interface RestoredSubject {
  readonly id: string;
  readonly effectKeys: string[];
  readonly forgetAtMs: number;
}

/** A state that is being built, and what came for each place. */
export interface Restoring {
  readonly state: BudgetState;
  readonly nodes: Allocation[];
  readonly holds: Hold[];
  readonly waiters: Waiter[];
  readonly ended: RestoredSubject[];
  readonly seenDue: { readonly [D in DueName]: Set<Place> };
}

export function createRestoring(): Restoring {
  const seenDue = { holds: new Set<Place>(), leases: new Set<Place>(), deadlines: new Set<Place>() };
  const empty = { nodes: [], holds: [], waiters: [], ended: [] };
  return { state: createState(), ...empty, seenDue: { ...seenDue, waiters: new Set() } };
}

function found<T>(items: readonly T[], place: Place, what: string): T {
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

export function endedAt({ ended }: Restoring, place: Place): RestoredSubject {
  return found(ended, place, "ended subject");
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
  if (!parent) state.roots.add(node);
  else if (node.state !== "closed") parent.children = withItem(parent.children, node);
}

function allocationOf(part: AllocationPart, parent: Allocation | undefined): Allocation {
  const { networkBytes, diskBytes, gpuMs, memoryPeakBytes } = part.tally;
  // The fields in the order in which createAllocation has them: all allocations are of one shape then.
  return {
    id: part.id,
    parent,
    name: part.name,
    path: part.path ?? pathUnder(parent, part),
    depth: part.depth,
    kind: part.kind,
    side: part.side,
    priority: part.priority,
    weight: part.weight,
    openedAtMs: part.openedAtMs,
    deadlineAtMs: part.deadlineAtMs,
    peer: part.peer,
    token: part.token,
    pooled: part.pooled,
    priorityBonus: part.priorityBonus,
    emergencyReserve: part.emergencyReserve,
    policy: part.policy,
    state: part.state,
    closingReason: part.closingReason,
    closedAtMs: part.closedAtMs,
    epoch: part.epoch,
    leaseTtlMs: part.leaseTtlMs,
    leaseEndsAtMs: part.leaseEndsAtMs,
    doubtful: part.doubtful,
    grantedTotal: part.grantedTotal,
    returnedTotal: part.returnedTotal,
    usageSequence: part.usageSequence,
    corrections: part.corrections,
    writtenOff: part.writtenOff,
    uncorrected: part.uncorrected,
    books: part.books,
    held: part.held,
    tally: { networkBytes, diskBytes, gpuMs, memoryPeakBytes, callsPerTool: mapOf(part.callsPerTool) },
    children: NO_ITEMS,
    holders: mapOf(part.holders),
    closedChildren: [],
    effectKeys: part.effectKeys,
    holds: NO_ITEMS,
    liveHolds: 0,
    reclaims: NO_ENTRIES,
    endedReclaims: NO_ENTRIES,
    waiters: [],
    notes: NO_ENTRIES,
  };
}

function pathUnder(parent: Allocation | undefined, { id, name }: AllocationPart): string {
  if (!parent) throw new SnapshotError(`${id} has neither a path nor a parent`);
  return `${parent.path}/${name}`;
}

function mapOf(entries: readonly (readonly [string, number])[]): ReadonlyMap<string, number> {
  return entries.length === 0 ? NO_ENTRIES : new Map(entries);
}

export function restoreHold(restoring: Restoring, part: HoldPart): void {
  const { state, holds } = restoring;
  const { id, what, name, amounts, clamped, expiresAtMs, charged } = part;
  const allocation = nodeAt(restoring, part.allocation);
  const hold: Hold = {
    id,
    allocation,
    what,
    name,
    amounts,
    clamped,
    state: part.state,
    expiresAtMs,
    effectKey: keyOf(part, allocation),
    charged,
  };
  holds.push(hold);
  const known = state.holds.size;
  state.holds.set(id, hold);
  if (state.holds.size === known) throw new SnapshotError(`hold ${id} stands twice`);
  if (hold.state === "ended") return;
  if (allocation.state === "closed") throw new SnapshotError(`hold ${id} is ${hold.state} at a closed allocation`);
  allocation.holds = withItem(allocation.holds, hold);
  if (hold.state === "live") allocation.liveHolds += 1;
}

function keyOf({ id, requestId, effectKey: key }: HoldPart, allocation: Allocation): string {
  if (requestId !== undefined) return effectKey(allocation.id, requestId);
  if (key === undefined) throw new SnapshotError(`hold ${id} has no request`);
  return key;
}

export function restoreWaiter(restoring: Restoring, part: WaiterPart): void {
  const { effectKey: key, request, fingerprint, untilMs, sequence } = part;
  const parent = nodeAt(restoring, part.parent);
  const waiting = { effectKey: key, parentId: parent.id, request, fingerprint, untilMs } as const;
  const waiter: Waiter = { ...waiting, demand: demandOf(request), sequence };
  restoring.waiters.push(waiter);
  parent.waiters.push(waiter);
}

export function restoreEnded(restoring: Restoring, part: EndedPart): void {
  const ended = endedOf(restoring, part);
  const before = restoring.ended.at(-1);
  if (before && before.forgetAtMs > ended.forgetAtMs) {
    throw new SnapshotError(`${ended.id} is to be forgotten out of turn`);
  }
  restoring.ended.push(ended);
  restoring.state.ended.push(ended);
}

function endedOf(restoring: Restoring, { forgetAtMs, hold, allocation, id, effectKeys }: EndedPart): RestoredSubject {
  if (hold !== undefined) {
    const ended = holdAt(restoring, hold);
    if (ended.state !== "ended") throw new SnapshotError(`hold ${ended.id} is to be forgotten and ${ended.state}`);
    return { id: ended.id, effectKeys: [ended.effectKey], forgetAtMs };
  }
  if (allocation !== undefined) {
    // The very list of the allocation, as in a state that never was a snapshot.
    const node = nodeAt(restoring, allocation);
    return { id: node.id, effectKeys: node.effectKeys, forgetAtMs };
  }
  if (id === undefined) throw new SnapshotError("something is to be forgotten and nobody says what");
  return { id, effectKeys, forgetAtMs };
}
