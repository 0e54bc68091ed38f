/** Claims, what is set aside for them, and what is kept of work that may have to give way, from the parts of a snapshot. */

import { standAt } from "./evolve-reservation.ts";
import { reservationMarked } from "./reservation-mark.ts";
import { SnapshotError } from "./snapshot-error.ts";
import type { ClaimPart, EarmarkPart, HistoryPart, ReservationPart } from "./snapshot-part.ts";
import { nodeAt, type Restoring, waiterAt } from "./snapshot-restore-nodes.ts";

export function restoreClaim(restoring: Restoring, { type, waiter: place, ...claim }: ClaimPart): void {
  const waiter = waiterAt(restoring, place);
  const node = restoring.state.allocations.get(waiter.parentId);
  const key = JSON.stringify(waiter.effectKey);
  if (!node) throw new SnapshotError(`${key} claims at an allocation that is not known`);
  if (node.waiters.claims.get(waiter.effectKey)) throw new SnapshotError(`${key} claims twice`);
  node.waiters.claim({ waiter, ...claim });
}

export function restoreEarmark(restoring: Restoring, { allocation, key, amounts }: EarmarkPart): void {
  const { waiters, id } = nodeAt(restoring, allocation);
  const { claims, reservations } = waiters;
  if (!claims.get(key) && !reservations.has(reservationMarked(key)))
    throw new SnapshotError(`${id} sets something aside for ${JSON.stringify(key)}, which claims nothing`);
  waiters.earmarks.add(key, amounts);
}

export function restoreReservation({ state }: Restoring, { type, over, ...said }: ReservationPart): void {
  const reservation = { ...said };
  if (state.reservations.has(said.id)) throw new SnapshotError(`reservation ${said.id} stands twice`);
  if (over) {
    state.reservations.keepPast({ reservation, ...over });
    return;
  }
  const node = state.allocations.get(said.allocationId);
  if (node?.state !== "open") throw new SnapshotError(`reservation ${said.id} stands at no open allocation`);
  standAt(node, reservation);
  state.reservations.add(reservation);
}

export function restoreHistory({ state }: Restoring, { type, allocationId, ...history }: HistoryPart): void {
  if (state.victims.historyOf(allocationId)) throw new SnapshotError(`the history of ${allocationId} stands twice`);
  state.victims.remember(allocationId, history);
}
