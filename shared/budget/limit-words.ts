/** A change of limits in words. */
import type { StrategyName } from "./policy.ts";
import { resourceName } from "./refusal-words.ts";
import { type Limits, RESOURCES } from "./resource.ts";

export interface LimitsChange {
  readonly before: Limits;
  readonly after: Limits;
  /** The strategy that was set with them; absent: none was. */
  readonly newStrategy?: StrategyName | "INHERITED";
}

/** For example "credits 500 → 800, duration 60000 → 90000 ms"; what did not change is left out. */
export function limitWords({ before, after, newStrategy }: LimitsChange): string {
  const parts: string[] = [];
  const say = (name: string, was: number | undefined, is: number | undefined, unit = "") => {
    if (was !== is) parts.push(`${name} ${was ?? "unlimited"} → ${is ?? "unlimited"}${unit}`);
  };
  for (const resource of RESOURCES) say(resourceName(resource), before[resource], after[resource]);
  say("duration", before.durationMs, after.durationMs, " ms");
  say("priority_bonus", before.priorityBonus, after.priorityBonus);
  say("emergency_reserve", before.emergencyReserve, after.emergencyReserve);
  say("wrap_up_reserve", before.wrapUpReserve ?? 0, after.wrapUpReserve ?? 0);
  if (newStrategy !== undefined) {
    parts.push(`strategy ${newStrategy === "INHERITED" ? "inherited from above" : newStrategy}`);
  }
  return parts.length === 0 ? "to what they were" : parts.join(", ");
}
