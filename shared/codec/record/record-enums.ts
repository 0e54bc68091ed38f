/** Enums that only the journal has, by the engine's names. */
import { RESERVATION_ENDS, type ReclaimEnded, type RequestDequeued, type ReservationEnd, type Side } from "#budget";
import {
  JournalEvent_DequeueCause,
  JournalEvent_ReclaimEnd,
  JournalEvent_ReservationEnd,
  JournalEvent_Side,
} from "#gen/bursar/v1/record_pb.js";
import { enumNames } from "../enum-names.ts";

const SIDES = ["local", "received", "delegated"] as const satisfies readonly Side[];
const DEQUEUE_CAUSES = [
  "granted",
  "timed_out",
  "cancelled",
  "refused",
] as const satisfies readonly RequestDequeued["cause"][];
const RECLAIM_ENDS = ["met", "cancelled", "closed", "resumed"] as const satisfies readonly ReclaimEnded["cause"][];

export const sides = enumNames<Side>(JournalEvent_Side, SIDES);
export const dequeueCauses = enumNames<RequestDequeued["cause"]>(JournalEvent_DequeueCause, DEQUEUE_CAUSES);
export const reservationEnds = enumNames<ReservationEnd>(JournalEvent_ReservationEnd, RESERVATION_ENDS);
export const reclaimEnds = enumNames<ReclaimEnded["cause"]>(JournalEvent_ReclaimEnd, RECLAIM_ENDS);
