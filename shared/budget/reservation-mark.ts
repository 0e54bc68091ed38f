/** The keys under which what is reserved stands among what is set aside at a node. */

/** No request has a key that begins so: a caller has a name. */
const MARK = "\n";

/** Under this key what is set aside for it stands in the earmarks of its node. */
export function markOf(reservationId: string): string {
  return MARK + reservationId;
}

/** Whether what is set aside under this key is a reservation's. */
export function isReservationMark(key: string): boolean {
  return key.startsWith(MARK);
}

/** The reservation for which something is set aside under this key; of another's key no reservation's id. */
export function reservationMarked(key: string): string {
  return isReservationMark(key) ? key.slice(MARK.length) : "";
}
