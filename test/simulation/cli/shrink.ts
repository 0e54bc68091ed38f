/** Finds fewer steps after which a seed still breaks the same promise. */
import { type SimulationOptions, type SimulationResult, simulate } from "../simulation.ts";

/** `failed` must have failed. Answers it, or one with fewer steps and a shorter way to the same check. */
export async function shrink(
  failed: SimulationResult,
  options: Omit<SimulationOptions, "steps">,
): Promise<SimulationResult> {
  let shortest = failed;
  let [low, high] = [0, failed.steps];
  while (low < high) {
    const steps = Math.floor((low + high) / 2);
    const result = await simulate({ ...options, steps });
    if (result.violation?.check === failed.violation?.check) {
      shortest = result;
      high = steps;
    } else low = steps + 1;
  }
  return shortest;
}
