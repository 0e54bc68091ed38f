/**
 * Backfill: a later request may go ahead of those that wait only when it leaves, of every resource that they need, as much as they need
 * together. So nobody who waits is delayed by it, whichever of the resources comes free first.
 */
import { RESOURCES, type Resource } from "../resource.ts";
import type { Passing } from "./strategy.ts";

export function claimedFrom({ demand, claimed, free }: Passing): Resource | undefined {
  const { wanted } = demand;
  return RESOURCES.find((r) => wanted[r] > 0 && claimed[r] > 0 && claimed[r] + wanted[r] > free[r]);
}
