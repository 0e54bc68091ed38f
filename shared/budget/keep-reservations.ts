/** Reservations as time goes by: they begin, and what of them nobody has used is free at their end. */
import { freed, serveWaiters } from "./cascade.ts";
import { type Draft, emit, say } from "./draft.ts";
import { reservationOf } from "./evolve-reservation.ts";
import { begin } from "./fill-reservations.ts";
import type { Reservation, ReservationEnd } from "./reservation.ts";
import { refuseThoseOf } from "./reservation-use.ts";

/** Those begin and end whose time has come. */
export function keepTime(draft: Draft): void {
  const { reservations } = draft.state;
  // One that begins late may be over, too.
  for (let due = reservations.takeDue(draft.nowMs); due.length > 0; due = reservations.takeDue(draft.nowMs)) {
    for (const { id } of due) {
      const reservation = reservations.get(id);
      if (!reservation) continue;
      if (reservation.begun) endReservation(draft, reservation, "lapsed");
      else {
        begin(draft, reservation);
        serveWaiters(draft, reservationOf(draft.state, id).node);
      }
    }
  }
}

/** It is over: those who wait for it are refused, and what nobody has used is free. */
export function endReservation(draft: Draft, { id: reservationId, left }: Reservation, cause: ReservationEnd): void {
  const { node } = reservationOf(draft.state, reservationId);
  emit(draft, { type: "reservation_ended", atMs: draft.nowMs, reservationId, cause });
  const verdict = { decided: "RESERVATION_ENDED", reservationId, cause, left } as const;
  say(draft, { type: "noted", allocationId: node.id, verdict });
  refuseThoseOf(draft, node, { reservationId, cause });
  freed(draft, node);
}
