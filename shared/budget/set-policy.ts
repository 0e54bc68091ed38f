/** A node gets another policy while work goes on. */
import { breakCircles } from "./break-circles.ts";
import { serveWaiters } from "./cascade.ts";
import { type Draft, emit } from "./draft.ts";
import { queuedUnder } from "./evolve-queue.ts";
import { tellInherited } from "./inherited-policy.ts";
import type { Policy } from "./policy.ts";
import type { Allocation } from "./state.ts";

/** Whoever holds something below the node elsewhere is told, where another word counts there now. */
export function setPolicy(draft: Draft, node: Allocation, policy: Policy): void {
  emit(draft, { type: "policy_set", atMs: draft.nowMs, allocationId: node.id, policy }, node);
  tellInherited(draft, node);
  breakCircles(draft);
}

/** Serves who waits at the node and at those below it, which may inherit its policy: another may be the first now. */
export function serveBelow(draft: Draft, node: Allocation): void {
  for (const queued of queuedUnder(draft.state, node)) serveWaiters(draft, queued);
}
