/** How reservations come about, what is set aside for them and used of them, and how they end. */
import { assert, LIMITS } from "#std";
import { monus } from "./amount.ts";
import { withEntry, withoutEntry } from "./collections.ts";
import { Earmarks, NO_EARMARKS } from "./earmarks.ts";
import { heldBookOf } from "./ledger.ts";
import type { Reservation, ReservationEnd } from "./reservation.ts";
import { neededAhead } from "./reservation-calendar.ts";
import type { ReservationEnded, ReservationFilled, ReservationMade, ReservationUsed } from "./reservation-event.ts";
import { markOf } from "./reservation-mark.ts";
import { type Amounts, HELD_RESOURCES, monusAmounts, NOTHING } from "./resource.ts";
import { endEffect } from "./retention.ts";
import type { Allocation, BudgetState } from "./state.ts";
import { orderAt } from "./strategies/index.ts";
import { NO_QUEUE, WaitQueue } from "./wait-queue.ts";

export function evolveReservationMade(state: BudgetState, event: ReservationMade, node: Allocation): void {
  const { reservationId: id, name, caller, priority, amounts, startsAtMs, endsAtMs, effect } = event;
  const { key: effectKey, fingerprint } = effect;
  const { id: allocationId, path } = node;
  const what = { id, allocationId, path, name, caller, priority, amounts, startsAtMs, endsAtMs, effectKey };
  const reservation: Reservation = { ...what, left: amounts, begun: false };
  standAt(node, reservation);
  node.waiters.earmarks.add(markOf(id), consumablesOf(amounts));
  state.reservations.add(reservation);
  const answer = { type: "reserved_ahead", reservationId: id, allocationId, amounts, startsAtMs, endsAtMs } as const;
  state.effects.set(effectKey, { kind: "answer", fingerprint, answer: { ...answer, repeated: false } });
}

/** It stands at its node, with nothing set aside. */
export function standAt(node: Allocation, reservation: Reservation): void {
  if (node.waiters === NO_QUEUE) node.waiters = new WaitQueue(orderAt(node));
  const { waiters } = node;
  if (waiters.earmarks === NO_EARMARKS) waiters.earmarks = new Earmarks();
  waiters.reservations = withEntry(waiters.reservations, reservation.id, reservation);
  waiters.earmarks.lookAhead(neededAhead(node));
}

function consumablesOf({ credits, toolCalls }: Amounts): Amounts {
  return { ...NOTHING, credits, toolCalls };
}

/** A reservation that stands, and its node. */
export function reservationOf(state: BudgetState, id: string): { reservation: Reservation; node: Allocation } {
  const reservation = state.reservations.get(id);
  assert(reservation !== undefined, `an event names the unknown reservation ${id}`);
  const node = state.allocations.get(reservation.allocationId);
  assert(node !== undefined, `the allocation of reservation ${id} is gone`);
  return { reservation, node };
}

export function evolveReservationFilled(state: BudgetState, { reservationId, by, begins }: ReservationFilled): void {
  const { reservation, node } = reservationOf(state, reservationId);
  const { earmarks } = node.waiters;
  if (begins) {
    state.reservations.begin(reservation);
    for (const resource of HELD_RESOURCES) {
      const { limit, inUse } = heldBookOf(node, resource);
      if (by[resource] > 0) earmarks.yield(resource, by[resource], monus(limit, inUse));
    }
  }
  earmarks.add(markOf(reservationId), by);
  earmarks.lookAhead(neededAhead(node));
}

export function evolveReservationUsed(state: BudgetState, { reservationId, by }: ReservationUsed): void {
  const { reservation, node } = reservationOf(state, reservationId);
  reservation.left = monusAmounts(reservation.left, by);
  node.waiters.earmarks.take(markOf(reservationId), by);
  node.waiters.earmarks.lookAhead(neededAhead(node));
}

export function evolveReservationEnded(state: BudgetState, { reservationId, cause }: ReservationEnded): void {
  const { reservation, node } = reservationOf(state, reservationId);
  end(state, node, { reservation, cause });
}

/** Those of a node that begins to close are over. */
export function endReservations(state: BudgetState, node: Allocation): void {
  for (const reservation of [...node.waiters.reservations.values()]) end(state, node, { reservation, cause: "closed" });
}

interface Ending {
  readonly reservation: Reservation;
  readonly cause: ReservationEnd;
}

function end(state: BudgetState, node: Allocation, { reservation, cause }: Ending): void {
  const { waiters } = node;
  waiters.earmarks.end(markOf(reservation.id));
  waiters.reservations = withoutEntry(waiters.reservations, reservation.id);
  waiters.earmarks.lookAhead(neededAhead(node));
  leaveIfIdle(node);
  state.reservations.end({ reservation, cause, overAtMs: state.engineTimeMs });
  endEffect(state, reservation.effectKey, state.engineTimeMs + LIMITS.effectMemoryMs);
}

/** A queue where nobody waits, and at which nothing is reserved, is given up. */
export function leaveIfIdle(node: Allocation): void {
  if (node.waiters.size === 0 && node.waiters.reservations.size === 0) node.waiters = NO_QUEUE;
}
