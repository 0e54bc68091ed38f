/** Policies that are only tried: each of the strategies, and bounds of queues, beside whatever is in force. */
import { ConflictStrategy } from "#gen/bursar/v1/allocation_pb.js";
import type { Chance } from "../world/chance.ts";

/** To be spread into a policy; of so many in a hundred. */
export function drawShadow(chance: Chance, percent: number) {
  if (!chance.percent(percent)) return {};
  const strategy = chance.pick([
    ConflictStrategy.FIRST_COME_FIRST_SERVED,
    ConflictStrategy.PRIORITY_BASED,
    ConflictStrategy.PROPORTIONAL_SHARING,
    ConflictStrategy.PREEMPTION_ALLOWED,
    ConflictStrategy.QUEUE_AND_WAIT,
  ]);
  const bounds = chance.percent(30) ? { queueLengthMax: chance.between(1, 3) } : {};
  const rules = chance.percent(50) ? { preemption: { protectMs: 0, coolDownMs: 0 } } : {};
  return { shadow: { strategy, ...bounds, ...rules } };
}
