/** QUEUE_AND_WAIT: what does not fit waits, first in first out, as long as it is willing to; backfill never delays who waits before. */
import { claimedFrom } from "./backfill.ts";
import type { Strategy } from "./strategy.ts";

export const queueAndWait: Strategy = {
  name: "QUEUE_AND_WAIT",
  blockedBy: claimedFrom,
  whenShort: (wish) => (wish.waitMs > 0 ? "queue" : "deny"),
};
