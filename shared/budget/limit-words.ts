/** A change of limits in words. */
import { resourceName } from "./refusal-words.ts";
import { type Limits, RESOURCES } from "./resource.ts";

/** For example "credits 500 → 800, duration 60000 → 90000 ms"; what did not change is left out. */
export function limitWords(before: Limits, after: Limits): string {
  const parts: string[] = [];
  const say = (name: string, was: number | undefined, is: number | undefined, unit = "") => {
    if (was !== is) parts.push(`${name} ${was ?? "unlimited"} → ${is ?? "unlimited"}${unit}`);
  };
  for (const resource of RESOURCES) say(resourceName(resource), before[resource], after[resource]);
  say("duration", before.durationMs, after.durationMs, " ms");
  say("priority_bonus", before.priorityBonus, after.priorityBonus);
  say("emergency_reserve", before.emergencyReserve, after.emergencyReserve);
  return parts.length === 0 ? "to what they were" : parts.join(", ");
}
