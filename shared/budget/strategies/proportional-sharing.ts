/**
 * PROPORTIONAL_SHARING: what the node has is divided by weight among its open children and those who wait (share-pool.ts). A request gets
 * its share as far as it is free and worth its minimum; else it waits, if it is willing to, or is denied. Who waits is ordered by aged
 * priority and keeps, of what comes free, what it needs at least. How shares follow those who come and go is told in balance-shares.ts.
 */
import { claimedFrom } from "./backfill.ts";
import { agedPriorityOrder } from "./order.ts";
import type { Strategy } from "./strategy.ts";

export const proportionalSharing: Strategy = {
  name: "PROPORTIONAL_SHARING",
  order: ({ agingStepMs }) => agedPriorityOrder(agingStepMs),
  blockedBy: claimedFrom,
  whenShort: (wish) => (wish.waitMs > 0 ? "queue" : "deny"),
};
