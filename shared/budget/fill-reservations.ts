/** Setting room aside for reservations, and taking it out for requests that use them. */
import { type Amount, least, monus } from "./amount.ts";
import { type Draft, emit, say } from "./draft.ts";
import { reservationOf } from "./evolve-reservation.ts";
import { freeOf, isConsumable } from "./free.ts";
import { endOlderShrinks } from "./keep-reserved.ts";
import { missingOf, type Reservation } from "./reservation.ts";
import { isReservationMark, markOf } from "./reservation-mark.ts";
import { refuseThoseOf } from "./reservation-use.ts";
import { type Amounts, isNothing, leastAmounts, NOTHING, type Resource } from "./resource.ts";
import type { Allocation } from "./state.ts";

/** From now on it may be used, and all of it that is there is set aside; claims make room for it, which came later or have it in time. */
export function begin(draft: Draft, reservation: Reservation): void {
  const { node } = reservationOf(draft.state, reservation.id);
  const missing = missingOf(reservation, node.waiters.earmarks);
  const { left } = reservation;
  fill(draft, reservation, {
    begins: true,
    by: {
      credits: least(missing.credits, freeBeside(node, "credits")),
      toolCalls: least(missing.toolCalls, freeBeside(node, "toolCalls")),
      branches: least(left.branches, freeBeside(node, "branches", isReservationMark)),
      memoryBytes: least(left.memoryBytes, freeBeside(node, "memoryBytes", isReservationMark)),
    },
  });
}

interface Filling {
  readonly by: Amounts;
  readonly begins: boolean;
}

function fill(draft: Draft, { id: reservationId }: Reservation, filling: Filling): void {
  emit(draft, { type: "reservation_filled", atMs: draft.nowMs, reservationId, ...filling });
}

/** What is free beside what is set aside; `where`: under such keys. */
function freeBeside(node: Allocation, resource: Resource, where?: (key: string) => boolean): Amount {
  const { earmarks } = node.waiters;
  const aside = where ? earmarks.sumOf(resource, where) : earmarks.total[resource];
  if (isConsumable(resource)) return freeOf(node, resource);
  const { limit, inUse } = node.held[resource];
  return monus(monus(limit, inUse), aside);
}

/** What has come free goes to those of the node that lack something, the oldest first, before anybody who waits. */
export function fillReservations(draft: Draft, node: Allocation): void {
  for (const reservation of node.waiters.reservations.values()) {
    const missing = missingOf(reservation, node.waiters.earmarks);
    if (isNothing(missing)) continue;
    const by = leastAmounts(missing, {
      credits: freeBeside(node, "credits"),
      toolCalls: freeBeside(node, "toolCalls"),
      branches: freeBeside(node, "branches"),
      memoryBytes: freeBeside(node, "memoryBytes"),
    });
    if (!isNothing(by)) fill(draft, reservation, { by, begins: false });
  }
}

/** What of `wanted` is set aside in the reservation is used. To be called before the grant takes it of the node. */
export function takeOut(draft: Draft, node: Allocation, reservationId: string, wanted: Amounts): void {
  const { reservation } = reservationOf(draft.state, reservationId);
  if (!reservation.begun) begin(draft, reservation);
  const by = leastAmounts(wanted, node.waiters.earmarks.of(markOf(reservationId)));
  if (isNothing(by)) return;
  emit(draft, { type: "reservation_used", atMs: draft.nowMs, reservationId, by });
  endOlderShrinks(draft, node, by);
}

/** One of which nothing is left is over. To be called when the grant has been made. */
export function endIfUsedUp(draft: Draft, node: Allocation, reservationId: string): void {
  const reservation = draft.state.reservations.get(reservationId);
  if (!reservation || !isNothing(reservation.left)) return;
  emit(draft, { type: "reservation_ended", atMs: draft.nowMs, reservationId, cause: "used_up" });
  const verdict = { decided: "RESERVATION_ENDED", reservationId, cause: "used_up", left: NOTHING } as const;
  say(draft, { type: "noted", allocationId: node.id, verdict });
  refuseThoseOf(draft, node, { reservationId, cause: "used_up" });
}
