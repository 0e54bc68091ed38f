/** A reservation of a snapshot: SnapshotChunk.Reservation of snapshot.proto. */
import type { ReservationPart } from "#budget";
import { priorities } from "../enum-names.ts";
import { reservationEnds } from "./record-enums.ts";
import { readAmounts, readName, readOptionalName, writeAmounts, writeName, writeOptionalName } from "./record-parts.ts";
import type { WireReader } from "./wire-reader.ts";
import type { WireWriter } from "./wire-writer.ts";

export function writeReservation(to: WireWriter, part: ReservationPart): void {
  to.text(1, part.id);
  to.text(2, part.allocationId);
  to.text(3, part.path);
  to.text(4, part.name);
  to.text(5, part.caller);
  writeName(to, 6, priorities, part.priority);
  writeAmounts(to, 7, part.amounts);
  writeAmounts(to, 8, part.left);
  to.int(9, part.startsAtMs);
  to.int(10, part.endsAtMs);
  to.text(11, part.effectKey);
  to.flag(12, part.begun);
  writeOptionalName(to, 13, reservationEnds, part.over?.cause);
  to.optionalInt(14, part.over?.overAtMs);
}

export function readReservation(from: WireReader): ReservationPart {
  const cause = readOptionalName(from, 13, reservationEnds);
  return {
    type: "reservation",
    id: from.text(1),
    allocationId: from.text(2),
    path: from.text(3),
    name: from.text(4),
    caller: from.text(5),
    priority: readName(from, 6, priorities),
    amounts: readAmounts(from, 7),
    left: readAmounts(from, 8),
    startsAtMs: from.int(9),
    endsAtMs: from.int(10),
    effectKey: from.text(11),
    begun: from.flag(12),
    ...(cause !== undefined && { over: { cause, overAtMs: from.int(14) } }),
  };
}
