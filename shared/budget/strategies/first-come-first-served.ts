/**
 * FIRST_COME_FIRST_SERVED: arrival order; what does not fit now is denied with a retry time. Its own requests never wait, but where
 * others do (requests that chose another strategy, or a policy that changed), they came first.
 */
import { claimedFrom } from "./backfill.ts";
import { ARRIVAL_ORDER } from "./order.ts";
import type { Strategy } from "./strategy.ts";

export const firstComeFirstServed: Strategy = {
  name: "FIRST_COME_FIRST_SERVED",
  order: () => ARRIVAL_ORDER,
  blockedBy: claimedFrom,
  whenShort: () => "deny",
};
