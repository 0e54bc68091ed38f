/** Parts carved inside the credits of swarms and runs, drawn by chance, and final steps that use what is kept for them. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ResourceLimitsSchema } from "../../../shared/gen/bursar/v1/resources_pb.js";
import type { StepSchema } from "../../../shared/gen/bursar/v1/routine_pb.js";
import type { Chance } from "../world/chance.ts";

type Limits = MessageInitShape<typeof ResourceLimitsSchema>;
type Step = MessageInitShape<typeof StepSchema>;

type Carve = Pick<Limits, "priorityBonus" | "emergencyReserve">;

/** To be spread into the limits of a swarm, or into what they shall be; most carve nothing. */
export function drawCarve(chance: Chance, credits: number, percent: number): Carve {
  if (!chance.percent(percent)) return {};
  const part = () => BigInt(Math.floor((credits * chance.pick([0, 10, 25, 40])) / 100));
  return { priorityBonus: part(), emergencyReserve: part() };
}

/** The reserve of a run for its final step. */
export function drawReserve(chance: Chance, credits: number): Pick<Limits, "wrapUpReserve"> {
  return chance.percent(30) ? { wrapUpReserve: BigInt(Math.ceil(credits / chance.pick([3, 6, 12]))) } : {};
}

/** The last of the steps may be the final step, where somebody does it. */
export function markFinalStep(chance: Chance, steps: readonly Step[]): Step[] {
  const last = steps.at(-1);
  const isMarked = chance.percent(40) && last?.work?.case === "worker";
  return isMarked && last ? [...steps.slice(0, -1), { ...last, wrapUp: true }] : [...steps];
}
