/**
 * What one child claims of its parent when budget is divided by weight, and how fast it fills.
 *
 * Dominant-resource fairness (Ghodsi and others, NSDI 2011) with a wish `max` in the place of so many equal tasks: a claim fills along the
 * ray from nothing to `max`, and how far it has come is told by its dominant share: the largest, over the resources that the parent limits,
 * of what it wishes of a resource divided by all there is of it. At a level of water λ a claim of weight w stands where its dominant share
 * is λ·w, so it has of a divisible resource
 *     λ · w · total · (its share of that resource ÷ its dominant share), and never less than `min` nor more than `max`.
 * The factor in brackets is 1 for the dominant resource; elsewhere it is rounded up to a whole number of parts of 2^32. No other rounding
 * of levels is done. So with one limited resource all is exact; with several, a factor of 2^-12 or more is exact within one part in 2^20, and
 * a smaller one gives the claim at most 2^-32 of the total more than it should have.
 *
 * Credits and tool calls are divisible. Branch slots and memory are there as wished or not at all, so the claim takes them whole; they
 * count in the dominant share, so who wishes much memory fills more slowly in credits.
 */
import { assert, LIMITS } from "#std";
import type { Priority } from "../policy.ts";
import { type Amounts, type Consumable, RESOURCES, type Resource } from "../resource.ts";
import { compareQuotients } from "./share-fraction.ts";

export interface Claim {
  /** A whole number from 1 to LIMITS.weightMax. */
  readonly weight: number;
  /** The least that is of use. Of a resource that cannot be divided `max` counts instead. */
  readonly min: Amounts;
  /** All that is wished for. */
  readonly max: Amounts;
  readonly priority: Priority;
  /** Order of arrival: the smaller one came first. */
  readonly sequence: number;
}

/** What there is of each resource; one that is absent is not limited. */
export type Room = { readonly [R in Resource]?: Amounts[R] };

/** Why a claim gets nothing. The last one may change with those beside it; the others are faults of the claim. */
export type ShareRefusal =
  | { readonly code: "weight_out_of_range" }
  | { readonly code: "min_above_max"; readonly resource: Resource }
  | { readonly code: "below_min"; readonly resource: Resource };

/** Parts of the rate of a dominant resource: times the largest weight they are still a whole number below 2^53. */
const RATE_PARTS = 2 ** 32;

assert(LIMITS.weightMax * RATE_PARTS <= LIMITS.amountMax, "every rate is an exact number");

/** What is wrong with a claim, whoever stands beside it; undefined where it is a good one. */
export function faultOf({ weight, min, max }: Claim): ShareRefusal | undefined {
  if (!(Number.isSafeInteger(weight) && weight >= 1 && weight <= LIMITS.weightMax))
    return { code: "weight_out_of_range" };
  const resource = RESOURCES.find((r) => min[r] > max[r]);
  return resource && { code: "min_above_max", resource };
}

/** What a claim takes at least if it takes anything. */
export function floorsOf({ min, max }: Claim): Amounts {
  return { credits: min.credits, toolCalls: min.toolCalls, branches: max.branches, memoryBytes: max.memoryBytes };
}

/** Whether a claim's share of the resource depends on the level. */
export function isGrowing({ min, max }: Claim, resource: Consumable, totals: Room): boolean {
  return (totals[resource] ?? 0) > 0 && max[resource] > min[resource];
}

/** How fast the claim fills of this resource, of which there is some: its weight, in RATE_PARTS where several resources are limited. */
export function rateOf(claim: Claim, resource: Consumable, totals: Room): number {
  const isAlone = RESOURCES.every((r) => r === resource || (totals[r] ?? 0) === 0);
  if (isAlone) return claim.weight;
  const dominant = dominantOf(claim, totals);
  if (dominant === resource) return claim.weight * RATE_PARTS;
  const [wished, total] = [BigInt(claim.max[resource]), BigInt(totals[resource] ?? 0)];
  const [most, mostTotal] = [BigInt(claim.max[dominant]), BigInt(totals[dominant] ?? 0)];
  const above = wished * mostTotal * BigInt(RATE_PARTS);
  const below = total * most;
  return claim.weight * Number((above + below - 1n) / below);
}

/** The resource of which the claim wishes the largest share; on a tie the first, so a divisible one before others. */
function dominantOf({ max }: Claim, totals: Room): Resource {
  let dominant: Resource = "credits";
  let [most, of] = [0, 1];
  for (const resource of RESOURCES) {
    const total = totals[resource] ?? 0;
    if (total === 0 || compareQuotients(max[resource], total, most, of) <= 0) continue;
    [dominant, most, of] = [resource, max[resource], total];
  }
  return dominant;
}
