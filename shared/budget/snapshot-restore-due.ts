/** What is due when, from the parts of a snapshot: each thing at its own time, in the order in which it stood in its bucket. */
import { SnapshotError } from "./snapshot-error.ts";
import type { DueName, Place } from "./snapshot-part.ts";
import { holdAt, nodeAt, type Restoring, waiterAt } from "./snapshot-restore-nodes.ts";
import type { Allocation } from "./state.ts";

export function restoreDue(restoring: Restoring, index: DueName, place: Place): void {
  const { due } = restoring.state;
  const seen = restoring.seenDue[index];
  if (seen.has(place)) throw new SnapshotError(`something is due twice in the index of ${index}`);
  if (index === "holds") {
    const hold = holdAt(restoring, place);
    if (hold.state !== "live") throw new SnapshotError(`hold ${hold.id} is ${hold.state} and still due`);
    due.holds.add(hold, hold.expiresAtMs);
  } else if (index === "waiters") {
    const waiter = waiterAt(restoring, place);
    due.waiters.add(waiter, waiter.untilMs);
  } else if (index === "claims") {
    const waiter = waiterAt(restoring, place);
    const claim = restoring.state.allocations.get(waiter.parentId)?.waiters.claims.get(waiter.effectKey);
    if (!claim)
      throw new SnapshotError(`${JSON.stringify(waiter.effectKey)} is in the index of claims and claims nothing`);
    due.claims.add(waiter, claim.lookAtMs);
  } else {
    const node = nodeAt(restoring, place);
    due[index].add(node, timeOf(node, index));
  }
  seen.add(place);
}

function timeOf(node: Allocation, index: "leases" | "deadlines"): number {
  const atMs = index === "leases" ? node.leaseEndsAtMs : node.deadlineAtMs;
  if (atMs === undefined || node.state === "closed") {
    throw new SnapshotError(`${node.id} is in the index of ${index} and has nothing that is due`);
  }
  return atMs;
}

/** Throws when a live hold or a waiting request would never become due. */
export function allDue({ state, holds, waiters, seenDue }: Restoring): void {
  const live = holds.reduce((count, { state }) => (state === "live" ? count + 1 : count), 0);
  if (seenDue.holds.size !== live) {
    throw new SnapshotError(`${live} holds are live, and ${seenDue.holds.size} of them become due`);
  }
  const claims = waiters.filter(({ parentId, effectKey }) =>
    state.allocations.get(parentId)?.waiters.claims.get(effectKey),
  );
  if (seenDue.claims.size !== claims.length) {
    throw new SnapshotError(`${claims.length} requests claim, and ${seenDue.claims.size} of them become due`);
  }
  if (seenDue.waiters.size !== waiters.length) {
    throw new SnapshotError(`${waiters.length} requests wait, and ${seenDue.waiters.size} of them become due`);
  }
}
