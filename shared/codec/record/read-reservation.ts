/** The events of reservations from JournalEvent of record.proto; what write-event.ts writes of them. */
import type { ReservationMade } from "#budget";
import { priorities } from "../enum-names.ts";
import type { EventReader } from "./event-reader.ts";
import { reservationEnds } from "./record-enums.ts";
import { readAmounts, readEffect, readName } from "./record-parts.ts";
import type { WireReader } from "./wire-reader.ts";

export const RESERVATION_READERS: readonly EventReader[] = [
  { type: "reservation_made", fields: 9, read: readReservationMade },
  {
    type: "reservation_filled",
    fields: 3,
    read: (from, atMs) => ({
      type: "reservation_filled",
      atMs,
      reservationId: from.text(1),
      by: readAmounts(from, 2),
      begins: from.flag(3),
    }),
  },
  {
    type: "reservation_used",
    fields: 2,
    read: (from, atMs) => ({
      type: "reservation_used",
      atMs,
      reservationId: from.text(1),
      by: readAmounts(from, 2),
    }),
  },
  {
    type: "reservation_ended",
    fields: 2,
    read: (from, atMs) => ({
      type: "reservation_ended",
      atMs,
      reservationId: from.text(1),
      cause: readName(from, 2, reservationEnds),
    }),
  },
];

function readReservationMade(from: WireReader, atMs: number): ReservationMade {
  return {
    type: "reservation_made",
    atMs,
    reservationId: from.text(1),
    allocationId: from.text(2),
    name: from.text(3),
    caller: from.text(4),
    priority: readName(from, 5, priorities),
    amounts: readAmounts(from, 6),
    startsAtMs: from.int(7),
    endsAtMs: from.int(8),
    effect: readEffect(from, 9),
  };
}
