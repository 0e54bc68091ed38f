/**
 * Budget of a node that is reserved for later: so much of each resource, from a beginning to an end, for whoever names its id.
 * - Credits and tool calls do not come back: they are set aside from the making on, in the earmarks of the node.
 * - Branches and memory come back: until the beginning, work that has surely ended by then may use the room (reservation-calendar.ts); from
 *   then on it is set aside like the rest.
 * What requests take is gone from it. It ends when all of it is used, when its time is over, when somebody takes it back, and with its node.
 */
import { LIMITS } from "#std";
import type { Amount } from "./amount.ts";
import { DueIndex } from "./due-index.ts";
import type { Earmarks } from "./earmarks.ts";
import type { Priority } from "./policy.ts";
import { markOf } from "./reservation-mark.ts";
import { type Amounts, HELD_RESOURCES, type HeldResource, monusAmounts, type Resource } from "./resource.ts";

/** How a reservation ended. */
export const RESERVATION_ENDS = ["used_up", "lapsed", "cancelled", "closed"] as const;
export type ReservationEnd = (typeof RESERVATION_ENDS)[number];

export interface Reservation {
  readonly id: string;
  /** The node whose budget it is. */
  readonly allocationId: string;
  readonly path: string;
  readonly name: string;
  /** Who made it. */
  readonly caller: string;
  /** Only requests of this base priority or above may use it. */
  readonly priority: Priority;
  readonly amounts: Amounts;
  /** Engine time of its beginning and of its end. */
  readonly startsAtMs: number;
  readonly endsAtMs: number;
  /** Of the request that made it. */
  readonly effectKey: string;
  /** What nobody has used. */
  left: Amounts;
  /** Its branches and memory are set aside, too. */
  begun: boolean;
}

/** One that is over. */
export interface PastReservation {
  readonly reservation: Reservation;
  readonly cause: ReservationEnd;
  readonly overAtMs: number;
}

function isHeld(resource: Resource): resource is HeldResource {
  return HELD_RESOURCES.some((held) => held === resource);
}

/** What of the resource must be set aside for it now: of what comes back nothing before its beginning. */
function owedTo({ left, begun }: Reservation, resource: Resource): Amount {
  return begun || !isHeld(resource) ? left[resource] : (0 as Amount);
}

/** What of it should be set aside and is not: it was spent beyond what had been granted, or has not come back in time. */
export function missingOf(reservation: Reservation, earmarks: Earmarks): Amounts {
  const owed = {
    credits: owedTo(reservation, "credits"),
    toolCalls: owedTo(reservation, "toolCalls"),
    branches: owedTo(reservation, "branches"),
    memoryBytes: owedTo(reservation, "memoryBytes"),
  };
  return monusAmounts(owed, earmarks.of(markOf(reservation.id)));
}

/** All reservations of a daemon, the oldest first; the latest LIMITS.pastReservationsMax that are over; and what is due of them when. */
export class Reservations {
  readonly #standing = new Map<string, Reservation>();
  readonly #past = new Map<string, PastReservation>();
  readonly #due = new DueIndex<Reservation>(LIMITS.dueBucketMs);

  get size(): number {
    return this.#standing.size;
  }

  get(id: string): Reservation | undefined {
    return this.#standing.get(id);
  }

  past(id: string): PastReservation | undefined {
    return this.#past.get(id);
  }

  has(id: string): boolean {
    return this.#standing.has(id) || this.#past.has(id);
  }

  standing(): IterableIterator<Reservation> {
    return this.#standing.values();
  }

  /** In the order in which they ended. */
  over(): IterableIterator<PastReservation> {
    return this.#past.values();
  }

  add(reservation: Reservation): void {
    this.#standing.set(reservation.id, reservation);
    this.#due.add(reservation, dueAtMs(reservation));
  }

  begin(reservation: Reservation): void {
    this.#due.remove(reservation, dueAtMs(reservation));
    reservation.begun = true;
    this.#due.add(reservation, dueAtMs(reservation));
  }

  end(past: PastReservation): void {
    const { reservation } = past;
    this.#due.remove(reservation, dueAtMs(reservation));
    this.#standing.delete(reservation.id);
    this.keepPast(past);
  }

  keepPast(past: PastReservation): void {
    this.#past.set(past.reservation.id, past);
    if (this.#past.size <= LIMITS.pastReservationsMax) return;
    const [oldest = past.reservation.id] = this.#past.keys();
    this.#past.delete(oldest);
  }

  /** Engine time of the next beginning or end; undefined when there is none. */
  nextAtMs(): number | undefined {
    return this.#due.nextAtMs();
  }

  /** Those that begin or end by then, in the order of that time, and of equal ones of their ids. */
  takeDue(nowMs: number): readonly Reservation[] {
    const found = this.#due.takeDue(nowMs);
    return found.length < 2 ? found : found.toSorted((a, b) => dueAtMs(a) - dueAtMs(b) || (a.id < b.id ? -1 : 1));
  }
}

function dueAtMs({ begun, startsAtMs, endsAtMs }: Reservation): number {
  return begun ? endsAtMs : startsAtMs;
}
