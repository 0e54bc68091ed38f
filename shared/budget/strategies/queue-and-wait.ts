/** QUEUE_AND_WAIT: what does not fit waits, first in first out, as long as it is willing to; backfill never delays the first. */
import { claimedBeyondShadowTime } from "./backfill.ts";
import { ARRIVAL_ORDER } from "./order.ts";
import type { Strategy } from "./strategy.ts";

export const queueAndWait: Strategy = {
  name: "QUEUE_AND_WAIT",
  order: () => ARRIVAL_ORDER,
  blockedBy: claimedBeyondShadowTime,
  whenShort: (wish) => (wish.waitMs > 0 ? "queue" : "deny"),
};
