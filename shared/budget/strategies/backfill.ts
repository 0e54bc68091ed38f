/**
 * Backfill: when a later request may go ahead of those that wait.
 *
 * Claims (every strategy): when it leaves, of every resource that they need, as much as they need together. So nobody who waits is delayed
 * by it, whichever of the resources comes free first.
 *
 * EASY (QUEUE_AND_WAIT, held resources): also when what it takes is back before the first of those who need it can begin. The work that
 * runs and has a deadline will have given back enough for the first at some time, the *shadow time*; who must have ended by then takes
 * nothing from it. After D. Lifka, "The ANL/IBM SP Scheduling System" (Job Scheduling Strategies for Parallel Processing, 1995): only the
 * first is protected, so that a queue of long requests does not idle the rest. Those between may find room taken that became free earlier
 * than promised, at the longest until the shadow time. Without a known shadow time, or where the first waits for something else, only the
 * claims count; so they do for consumables, which do not come back.
 */
import { HELD_RESOURCES, type HeldResource, RESOURCES, type Resource } from "../resource.ts";
import type { Passing } from "./strategy.ts";

function isClaimed({ demand, claimed, free }: Passing, resource: Resource): boolean {
  const { wanted } = demand;
  return wanted[resource] > 0 && claimed[resource] > 0 && claimed[resource] + wanted[resource] > free[resource];
}

export function claimedFrom(passing: Passing): Resource | undefined {
  return RESOURCES.find((resource) => isClaimed(passing, resource));
}

export function claimedBeyondShadowTime(passing: Passing): Resource | undefined {
  return RESOURCES.find((resource) => isClaimed(passing, resource) && !isBackInTime(passing, resource));
}

function isHeld(resource: Resource): resource is HeldResource {
  return HELD_RESOURCES.some((held) => held === resource);
}

function isBackInTime(passing: Passing, resource: Resource): boolean {
  if (passing.endsAtMs === undefined || !isHeld(resource)) return false;
  const shadowMs = passing.roomAtMs(resource);
  return shadowMs !== undefined && passing.endsAtMs <= shadowMs;
}
