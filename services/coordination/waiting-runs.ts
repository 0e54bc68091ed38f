/** Runs that wait for room: found by what people call them, and told that nobody wants them any more. */
import type { BudgetState, OpenWish } from "#budget";
import type { DaemonBase } from "#daemon";
import { RefusalError } from "#errors";
import { isPathOf } from "#tier";
import { notFound } from "./find.ts";
import { nextAttemptOf } from "./run-attempts.ts";

/** The runs that wait and are meant by this request_id, id, path or end of a path; by the id of an attempt that gave way, the one after it. */
function waitingRuns(state: BudgetState, named: string): OpenWish[] {
  const id = latestAttempt(state, named);
  const found: OpenWish[] = [];
  for (const { path, waiters } of state.allocations.values()) {
    for (const { request } of waiters) {
      if (request.type !== "open" || request.kind !== "run") continue;
      const isMeant =
        request.requestId === named || request.allocationId === id || isPathOf(`${path}/${request.name}`, named);
      if (isMeant) found.push(request);
    }
  }
  return found;
}

function latestAttempt(state: BudgetState, runId: string): string {
  let id = runId;
  for (let node = state.allocations.get(id); node; node = state.allocations.get(id)) {
    const next = nextAttemptOf(node);
    if (!next) break;
    id = next.runId;
  }
  return id;
}

/** Ends the wait of the run that is named; false when none waits that is called so. Throws where several are. */
export async function stopWaiting({ loop }: Pick<DaemonBase, "loop">, named: string): Promise<boolean> {
  const [found, another] = await loop.read((state) => waitingRuns(state, named));
  if (!found) return false;
  if (another) {
    const message = `several runs called ${named} wait for room; name one of them by its request_id, such as ${found.requestId}`;
    throw new RefusalError({ reason: "STATE_FORBIDS", message });
  }
  const { caller, requestId } = found;
  const outcome = await loop.ask({ type: "cancel_request", caller, requestId });
  if (outcome.type === "refused") throw notFound(`${named} was answered just now: it does not wait any more`);
  return true;
}
