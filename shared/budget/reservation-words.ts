/** What a conflict says of reservations: of the one that the request would use, or the one that most of the scarce resource is kept for. */
import type { GrantWish } from "./command.ts";
import type { Conflict, ReservedStanding } from "./outcome.ts";
import { missingOf, type Reservation, type ReservationEnd } from "./reservation.ts";
import { isNothing, type Resource } from "./resource.ts";
import type { Allocation, BudgetState } from "./state.ts";
import { amountsText } from "./strategies/victim-plan-words.ts";

export interface ReservedFor {
  readonly resource: Resource;
  readonly nowMs: number;
  readonly wish?: Pick<GrantWish, "reservationId">;
}

type Told = Pick<Conflict, "reserved"> & { readonly retryAfterMs?: number; readonly expectedWaitMs?: number };

/** To be spread into a conflict at a node with reservations. */
export function reservedAt(node: Allocation, { resource, nowMs, wish }: ReservedFor): Told {
  const { reservations } = node.waiters;
  const own = wish?.reservationId === undefined ? undefined : reservations.get(wish.reservationId);
  if (own) {
    const reserved = standingOf(own, { resource, nowMs, own: true });
    const { startsInMs } = reserved;
    return startsInMs === 0 ? { reserved } : { reserved, retryAfterMs: startsInMs, expectedWaitMs: startsInMs };
  }
  let largest: Reservation | undefined;
  for (const one of reservations.values()) {
    if (one.left[resource] > (largest?.left[resource] ?? 0)) largest = one;
  }
  return largest ? { reserved: standingOf(largest, { resource, nowMs, own: false }) } : {};
}

function standingOf(
  { id, name, left, startsAtMs, endsAtMs }: Reservation,
  { resource, nowMs, own }: { readonly resource: Resource; readonly nowMs: number; readonly own: boolean },
): ReservedStanding {
  const startsInMs = Math.max(0, startsAtMs - nowMs);
  return { id, name, amount: left[resource], startsInMs, endsInMs: Math.max(0, endsAtMs - nowMs), own };
}

/** How a reservation stands at a node, in words. */
export function reservationWords(reservation: Reservation, node: Allocation, nowMs: number): string {
  const { id, name, left, begun, startsAtMs, endsAtMs, priority } = reservation;
  const missing = missingOf(reservation, node.waiters.earmarks);
  const lacks = isNothing(missing) ? "" : `, of which ${amountsText(missing)} are missing until something comes free`;
  const when = begun
    ? `for another ${Math.max(0, endsAtMs - nowMs)} ms`
    : `from in ${Math.max(0, startsAtMs - nowMs)} ms on, for ${endsAtMs - startsAtMs} ms`;
  return `reserved as ${name} (${id}) for ${priority} and above: ${amountsText(left)} left ${when}${lacks}`;
}

/** What is known of the reservation with this id, in words; undefined: nothing. */
export function reservationStanding(
  { reservations, allocations }: Pick<BudgetState, "reservations" | "allocations">,
  id: string,
  nowMs: number,
): string | undefined {
  const reservation = reservations.get(id);
  const node = reservation && allocations.get(reservation.allocationId);
  if (reservation && node) return `${node.path}: ${reservationWords(reservation, node, nowMs)}`;
  const past = reservations.past(id);
  return past && `${past.reservation.path}: ${overWords(id, past.cause)}, ${nowMs - past.overAtMs} ms ago`;
}

const OVER: { readonly [E in ReservationEnd]: string } = {
  used_up: "all of it has been used",
  lapsed: "its time is over",
  cancelled: "it was cancelled",
  closed: "its allocation was closed",
};

/** Why the reservation can be used no longer, in words. */
export function overWords(id: string, cause: ReservationEnd): string {
  return `reservation ${id} is over: ${OVER[cause]}`;
}

/** What a conflict says of it. */
export function reservedWords({ id, name, amount, startsInMs, endsInMs, own }: ReservedStanding): string {
  const lasts = `for ${endsInMs - startsInMs} ms`;
  if (own && startsInMs > 0) return `its reservation ${name} (${id}) begins in ${startsInMs} ms, ${lasts}`;
  if (own) return `its reservation ${name} (${id}) has ${amount} left, ${lasts}`;
  const when = startsInMs > 0 ? `from in ${startsInMs} ms on, ${lasts}` : lasts;
  return `${amount} are reserved as ${name} (${id}) ${when}`;
}
