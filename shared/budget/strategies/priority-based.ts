/**
 * PRIORITY_BASED: higher priority, then earlier deadline, then arrival. Who is willing to wait does so, others are denied with a retry time.
 * Waiting raises the priority in the queue, and only there, by one level whenever engine time passes a multiple of agingStepMs.
 *
 * The bound. Let W wait with base priority b since a, and let X, of any priority, arrive at a' > a + (EMERGENCY − b + 1) · step. Then X is
 * never served before W where both need the same resource, except with what W and all before it leave over. For X the aged priority is
 *     b' + ⌊t / step⌋ − ⌊a' / step⌋  ≤  EMERGENCY + ⌊t / step⌋ − ⌊a / step⌋ − (EMERGENCY − b + 1)  =  (that of W) − 1,
 * because a' − a ≥ n · step makes ⌊a' / step⌋ ≥ ⌊a / step⌋ + n. So W stands before X at every time t, and who stands behind takes of no
 * resource what those before it need at least (backfill.ts, claims). Ahead of W can only be who arrived by then, and these are finitely
 * many: nothing starves. With the defaults a LOW request is passed by later ones for at most five minutes.
 */
import { claimedFrom } from "./backfill.ts";
import { agedPriorityOrder } from "./order.ts";
import type { Strategy } from "./strategy.ts";

export const priorityBased: Strategy = {
  name: "PRIORITY_BASED",
  order: ({ agingStepMs }) => agedPriorityOrder(agingStepMs),
  blockedBy: claimedFrom,
  whenShort: (wish) => (wish.waitMs > 0 ? "queue" : "deny"),
};
