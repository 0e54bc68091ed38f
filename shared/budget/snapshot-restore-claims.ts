/** Claims, what is set aside for them, and what is kept of work that may have to give way, from the parts of a snapshot. */
import { SnapshotError } from "./snapshot-error.ts";
import type { ClaimPart, EarmarkPart, HistoryPart } from "./snapshot-part.ts";
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
  if (!waiters.claims.get(key))
    throw new SnapshotError(`${id} sets something aside for ${JSON.stringify(key)}, which claims nothing`);
  waiters.earmarks.add(key, amounts);
}

export function restoreHistory({ state }: Restoring, { type, allocationId, ...history }: HistoryPart): void {
  if (state.victims.historyOf(allocationId)) throw new SnapshotError(`the history of ${allocationId} stands twice`);
  state.victims.remember(allocationId, history);
}
