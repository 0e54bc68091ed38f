/**
 * Requests that use a reservation: they name its id, at its own node, and are met out of what is set aside for it from its beginning to its
 * end. What it does not have of what they want is taken of what is free, behind those who wait. While they wait, they hold up nobody.
 */
import { monus } from "./amount.ts";
import type { GrantWish } from "./command.ts";
import { type Draft, refuse } from "./draft.ts";
import { endsAtMs, Gate } from "./going-ahead.ts";
import type { Refusal } from "./outcome.ts";
import { dequeue, tell } from "./queue.ts";
import type { Reservation, ReservationEnd } from "./reservation.ts";
import { markOf } from "./reservation-mark.ts";
import { overWords } from "./reservation-words.ts";
import {
  type Amounts,
  type Demand,
  isNothing,
  leastAmounts,
  monusAmounts,
  mostAmounts,
  RESOURCES,
  type Resource,
} from "./resource.ts";
import type { Allocation, BudgetState } from "./state.ts";
import { sightOfWish } from "./tranche-sight.ts";
import { baseOf } from "./turn.ts";
import { rankOfPriority } from "./waiter.ts";

function wrong(message: string): Refusal {
  return { code: "invalid", violations: [{ field: "reservation_id", message }] };
}

/** Why a wish may not use the reservation that it names at this node; undefined: it may, in time. */
export function useRefusal(state: BudgetState, node: Allocation, wish: GrantWish, nowMs: number): Refusal | undefined {
  const { reservationId: id } = wish;
  if (id === undefined) return undefined;
  const past = state.reservations.past(id);
  if (past) return wrong(overWords(id, past.cause));
  const reservation = state.reservations.get(id);
  if (!reservation) return { code: "not_found", subject: "reservation", id };
  if (reservation.allocationId !== node.id) {
    return wrong(`reservation ${id} is one of ${reservation.path}, and the budget would come from ${node.path}`);
  }
  if (reservation.endsAtMs <= nowMs) return wrong(overWords(id, "lapsed"));
  const base = baseOf(state, wish);
  if (base === undefined || base >= rankOfPriority(reservation.priority)) return undefined;
  return wrong(`reservation ${id} is for requests of priority ${reservation.priority} and above`);
}

/** The reservation that a wish uses at this node; undefined: none that stands. */
export function usedBy(node: Allocation, { reservationId }: Pick<GrantWish, "reservationId">): Reservation | undefined {
  return reservationId === undefined ? undefined : node.waiters.reservations.get(reservationId);
}

/** How much a request gets that uses a reservation, or of what there is too little for it now. */
export type Drawn =
  | { readonly demand: Demand; readonly short?: undefined }
  | { readonly demand?: undefined; readonly short: Resource };

interface Drawing {
  readonly wish: GrantWish;
  readonly demand: Demand;
  /** What those before it need at least, together. */
  readonly claimed: Amounts;
}

/** All that it wants, as far as that is set aside or free and nobody who waits has his turn before; at least its minimum. */
export function drawOn(
  { state, nowMs }: Draft,
  node: Allocation,
  { wish, demand, claimed }: Drawing,
  gate: Gate = new Gate(node, nowMs),
): Drawn {
  const reservation = usedBy(node, wish);
  const { min, wanted } = demand;
  if (!reservation || reservation.startsAtMs > nowMs) return { short: RESOURCES.find((r) => min[r] > 0) ?? "credits" };
  const ownKey = markOf(reservation.id);
  const ends = endsAtMs(state, node, wish, nowMs);
  const sight = sightOfWish(state, node, wish);
  const short = gate.room.shortOf(min, { endsAtMs: ends, ownKey, sight });
  if (short) return { short };
  const own = ownOf(node, reservation);
  const beyond = { wanted: monusAmounts(wanted, own), min: monusAmounts(min, own) };
  const blocked = isNothing(beyond.wanted)
    ? undefined
    : gate.blockedBy({ demand: beyond, claimed, endsAtMs: ends, sight });
  if (blocked === undefined) return { demand };
  if (!isNothing(beyond.min)) return { short: blocked };
  return { demand: { wanted: mostAmounts(min, leastAmounts(wanted, own)), min } };
}

/** What is granted to a wish that uses a reservation and is not short of anything. */
export function drawnFrom(draft: Draft, node: Allocation, drawing: Drawing): Demand {
  return drawOn(draft, node, drawing).demand ?? drawing.demand;
}

/** What it has for a request: what is set aside, and of one whose beginning nobody has noticed yet what will be. */
function ownOf(node: Allocation, reservation: Reservation): Amounts {
  const aside = node.waiters.earmarks.of(markOf(reservation.id));
  if (reservation.begun) return aside;
  const { left } = reservation;
  const free = (resource: "branches" | "memoryBytes") => {
    const { limit, inUse } = node.held[resource];
    return monus(limit, inUse);
  };
  const held = leastAmounts(left, { ...left, branches: free("branches"), memoryBytes: free("memoryBytes") });
  return { ...aside, branches: held.branches, memoryBytes: held.memoryBytes };
}

/** Those who wait for it are refused, for it is over. */
export function refuseThoseOf(
  draft: Draft,
  node: Allocation,
  { reservationId, cause }: { readonly reservationId: string; readonly cause: ReservationEnd },
): void {
  for (const waiter of [...node.waiters.reserving(reservationId)]) {
    dequeue(draft, waiter, "refused");
    tell(draft, waiter.request, refuse(wrong(overWords(reservationId, cause))));
  }
}
