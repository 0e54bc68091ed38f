/** A state as parts, in the order of PART_TYPES; the counterpart of restoreState. What the parts are is said in snapshot-part.ts. */
import { assert, LIMITS } from "#std";
import { listOf, NO_LIST } from "./collections.ts";
import { effectKey } from "./draft.ts";
import type { ShareWish } from "./share-wish.ts";
import { effectParts } from "./snapshot-effects.ts";
import {
  type AllocationPart,
  type ClaimPart,
  type ClosedChildrenPart,
  type DueName,
  type DuePart,
  type EarmarkPart,
  EFFECT_KEYS_PER_PART,
  type EffectKeysPart,
  type FinalAccountPart,
  type HistoryPart,
  type HoldPart,
  type NamesPart,
  type NotePart,
  PLACES_PER_PART,
  type Place,
  type ReclaimPart,
  type ReservationPart,
  type SnapshotPart,
  type WaiterPart,
} from "./snapshot-part.ts";
import { type Places, placeOf, placesOf } from "./snapshot-places.ts";
import { makeUpParts, tranchesPart } from "./snapshot-tranches.ts";
import type { Allocation, BudgetState, Hold, Waiter } from "./state.ts";

/**
 * The state as parts. Lazy: the state must not change until the last part has been taken. Throws InvariantError when the state refers to
 * something that it does not know.
 */
export function* snapshotParts(state: BudgetState): Generator<SnapshotPart, void> {
  let parts = 0;
  for (const part of contents(state)) {
    parts += 1;
    yield part;
  }
  yield { type: "end", parts };
}

function* contents(state: BudgetState): Generator<SnapshotPart, void> {
  const { engineTimeMs, waiterSequence, lives, uncorrected, bootId } = state;
  yield { type: "header", engineTimeMs, waiterSequence, lives, uncorrected, bootId };
  const places = placesOf(state);
  const known = [...state.allocations.values()];
  for (const node of known) yield allocationPart(places, node, state.sharing.wishes.get(node));
  if (state.names.size > 0) for (const node of known) yield* namesPart(state, places, node);
  for (const hold of state.holds.values()) yield holdPart(places, hold);
  for (const node of known) yield* tranchesPart(places, node);
  for (const node of known) yield* makeUpParts(places, node);
  for (const waiter of places.waiters.keys()) yield waiterPart(state, places, waiter);
  yield* claimParts(places, known);
  yield* reservationParts(state);
  yield* earmarkParts(state, places, known);
  for (const node of known) yield* furtherKeys({ allocation: placeOf(places, node) }, listOf(node.effectKeys));
  for (const node of known) yield* closedChildrenParts(places, node);
  for (const node of known) yield* reclaimParts(places, node);
  for (const node of known) yield* noteParts(places, node);
  yield* finalAccountParts(places, state.unacknowledged, false);
  yield* finalAccountParts(places, state.acknowledged, true);
  yield* effectParts(state, places);
  for (const bytes of state.ended.slices(LIMITS.snapshotRecordsBytes)) yield { type: "remembered", bytes };
  yield* dueParts("holds", state.due.holds.items(), places.holds);
  yield* dueParts("leases", state.due.leases.items(), places.allocations);
  yield* dueParts("deadlines", state.due.deadlines.items(), places.allocations);
  yield* dueParts("waiters", state.due.waiters.items(), places.waiters);
  yield* dueParts("claims", state.due.claims.items(), places.waiters);
}

function allocationPart(places: Places, node: Allocation, wish: ShareWish | undefined): AllocationPart {
  const { parent, books, held } = node;
  const { networkBytes, diskBytes, gpuMs, memoryPeakBytes, callsPerTool } = node.tally;
  return {
    type: "allocation",
    forgotten: false,
    id: node.id,
    parent: parent && placeOf(places, parent),
    name: node.name,
    path: parent ? undefined : node.path,
    depth: node.depth,
    kind: node.kind,
    side: node.side,
    priority: node.priority,
    weight: node.weight,
    openedAtMs: node.openedAtMs,
    deadlineAtMs: node.deadlineAtMs,
    peer: node.peer,
    token: node.token,
    pooled: node.pooled,
    priorityBonus: node.priorityBonus,
    emergencyReserve: node.emergencyReserve,
    policy: node.policy,
    state: node.state,
    closingReason: node.closingReason,
    closedAtMs: node.closedAtMs,
    epoch: node.epoch,
    leaseTtlMs: node.leaseTtlMs,
    leaseEndsAtMs: node.leaseEndsAtMs,
    doubtful: node.doubtful,
    grantedTotal: node.grantedTotal,
    returnedTotal: node.returnedTotal,
    usageSequence: node.usageSequence,
    corrections: node.corrections,
    writtenOff: node.writtenOff,
    uncorrected: node.uncorrected,
    books: { credits: { ...books.credits }, toolCalls: { ...books.toolCalls } },
    held: { branches: { ...held.branches }, memoryBytes: { ...held.memoryBytes } },
    tally: { networkBytes, diskBytes, gpuMs, memoryPeakBytes },
    callsPerTool: entriesOf(callsPerTool),
    holders: entriesOf(node.holders),
    effectKeys: firstKeys(listOf(node.effectKeys)),
    ...(wish && { wish }),
  };
}

function* namesPart({ names }: BudgetState, places: Places, node: Allocation): Generator<NamesPart, void> {
  const access = names.heldBy(node);
  if (access) yield { type: "names", allocation: placeOf(places, node), access };
}

function entriesOf(map: ReadonlyMap<string, number>): readonly (readonly [string, number])[] {
  return map.size === 0 ? NO_LIST : [...map];
}

function firstKeys(keys: readonly string[]): string[] {
  return keys.slice(0, EFFECT_KEYS_PER_PART);
}

function* furtherKeys(of: EffectKeysPart["of"], keys: readonly string[]): Generator<EffectKeysPart, void> {
  for (let at = EFFECT_KEYS_PER_PART; at < keys.length; at += EFFECT_KEYS_PER_PART) {
    yield { type: "effect_keys", of, keys: keys.slice(at, at + EFFECT_KEYS_PER_PART) };
  }
}

function holdPart(places: Places, hold: Hold): HoldPart {
  const { id, allocation, what, name, amounts, clamped, state, expiresAtMs, charged } = hold;
  const own = effectKey(allocation.id, "");
  const isOwn = hold.effectKey.startsWith(own);
  return {
    type: "hold",
    id,
    allocation: placeOf(places, allocation),
    what,
    name,
    amounts,
    clamped,
    state,
    expiresAtMs,
    charged: { credits: charged.credits, toolCalls: charged.toolCalls },
    requestId: isOwn ? hold.effectKey.slice(own.length) : undefined,
    effectKey: isOwn ? undefined : hold.effectKey,
  };
}

function waiterPart(state: BudgetState, places: Places, waiter: Waiter): WaiterPart {
  const { effectKey: key, parentId, request, fingerprint, untilMs, arrivedAtMs, deadlineAtMs, sequence } = waiter;
  const parent = state.allocations.get(parentId);
  assert(parent !== undefined, `${key} waits at the unknown allocation ${parentId}`);
  const rest = { effectKey: key, request, fingerprint, untilMs, arrivedAtMs, deadlineAtMs, sequence } as const;
  return { type: "waiter", parent: placeOf(places, parent), ...rest };
}

function* claimParts(places: Places, known: readonly Allocation[]): Generator<ClaimPart, void> {
  for (const { waiters } of known) {
    for (const { waiter, ...claim } of waiters.claims.values()) {
      const place = places.waiters.get(waiter);
      assert(place !== undefined, `${waiter.effectKey} claims and does not wait`);
      yield { type: "claim", waiter: place, ...claim };
    }
  }
}

function* reservationParts({ reservations }: BudgetState): Generator<ReservationPart, void> {
  for (const reservation of reservations.standing()) yield { type: "reservation", ...reservation };
  for (const { reservation, ...over } of reservations.over()) yield { type: "reservation", ...reservation, over };
}

function* earmarkParts(
  state: BudgetState,
  places: Places,
  known: readonly Allocation[],
): Generator<EarmarkPart | HistoryPart, void> {
  for (const node of known) {
    for (const [key, amounts] of node.waiters.earmarks.entries()) {
      yield { type: "earmark", allocation: placeOf(places, node), key, amounts };
    }
  }
  for (const [allocationId, history] of state.victims.histories()) yield { type: "history", allocationId, ...history };
}

function* closedChildrenParts(places: Places, node: Allocation): Generator<ClosedChildrenPart, void> {
  if (node.closedChildren.length === 0) return;
  const allocation = placeOf(places, node);
  for (const children of slices(node.closedChildren.map((child) => placeOf(places, child)))) {
    yield { type: "closed_children", allocation, children };
  }
}

function* reclaimParts(places: Places, node: Allocation): Generator<ReclaimPart, void> {
  if (node.reclaims.size === 0 && node.endedReclaims.size === 0) return;
  const allocation = placeOf(places, node);
  // What is asked below for a preemption stands there.
  for (const { asked, ...one } of node.reclaims.values()) yield { type: "reclaim", allocation, ended: false, ...one };
  for (const { asked, ...one } of node.endedReclaims.values())
    yield { type: "reclaim", allocation, ended: true, ...one };
}

function* noteParts(places: Places, node: Allocation): Generator<NotePart, void> {
  if (node.notes.size === 0) return;
  const allocation = placeOf(places, node);
  for (const [key, value] of node.notes) yield { type: "note", allocation, key, value };
}

function* finalAccountParts(
  places: Places,
  nodes: ReadonlySet<Allocation>,
  acknowledged: boolean,
): Generator<FinalAccountPart, void> {
  for (const allocations of slices([...nodes].map((node) => placeOf(places, node)))) {
    yield { type: "final_account", acknowledged, allocations };
  }
}

function* dueParts<T>(index: DueName, due: Iterable<T>, places: ReadonlyMap<T, Place>): Generator<DuePart, void> {
  const items: Place[] = [];
  for (const item of due) {
    const place = places.get(item);
    assert(place !== undefined, `something of the index of due ${index} is not known`);
    items.push(place);
  }
  for (const part of slices(items)) yield { type: "due", index, items: part };
}

function* slices(places: readonly Place[]): Generator<readonly Place[], void> {
  for (let at = 0; at < places.length; at += PLACES_PER_PART) yield places.slice(at, at + PLACES_PER_PART);
}
