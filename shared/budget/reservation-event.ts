/** What happens to reservations. Times are engine time. */
import type { EffectMark } from "./effect-mark.ts";
import type { Priority } from "./policy.ts";
import type { ReservationEnd } from "./reservation.ts";
import type { Amounts } from "./resource.ts";

/** Budget of a node is reserved for later; credits and tool calls are set aside with it. */
export interface ReservationMade {
  readonly type: "reservation_made";
  readonly atMs: number;
  readonly reservationId: string;
  /** The node. */
  readonly allocationId: string;
  readonly name: string;
  readonly caller: string;
  readonly priority: Priority;
  readonly amounts: Amounts;
  readonly startsAtMs: number;
  readonly endsAtMs: number;
  readonly effect: EffectMark;
}

/** Room of the node is set aside for a reservation: at its beginning, or when something came free of what it lacked. */
export interface ReservationFilled {
  readonly type: "reservation_filled";
  readonly atMs: number;
  readonly reservationId: string;
  readonly by: Amounts;
  /** It may be used from now on, and what comes back is set aside, too: claims make room for it. */
  readonly begins: boolean;
}

/** A request takes its budget out of a reservation; the event of what it is for follows. */
export interface ReservationUsed {
  readonly type: "reservation_used";
  readonly atMs: number;
  readonly reservationId: string;
  readonly by: Amounts;
}

/** A reservation is over; what was set aside for it is free. That of a node that closes is over with it, without an event of its own. */
export interface ReservationEnded {
  readonly type: "reservation_ended";
  readonly atMs: number;
  readonly reservationId: string;
  readonly cause: ReservationEnd;
}

export type ReservationEvent = ReservationMade | ReservationFilled | ReservationUsed | ReservationEnded;
