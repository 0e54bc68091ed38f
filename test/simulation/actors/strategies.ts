/** Which strategy a person sets with a change of limits: mostly none, and sometimes that of what is above. */
import { ConflictStrategy } from "../../../shared/gen/bursar/v1/allocation_pb.js";
import type { Chance } from "../world/chance.ts";

const CHOICES = [
  ConflictStrategy.UNSPECIFIED,
  ConflictStrategy.FIRST_COME_FIRST_SERVED,
  ConflictStrategy.PRIORITY_BASED,
  ConflictStrategy.PROPORTIONAL_SHARING,
  ConflictStrategy.PREEMPTION_ALLOWED,
  ConflictStrategy.QUEUE_AND_WAIT,
];

export function drawStrategy(chance: Chance): { readonly strategy?: ConflictStrategy } {
  return chance.percent(25) ? { strategy: chance.pick(CHOICES) } : {};
}
