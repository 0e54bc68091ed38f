/**
 * The levels of two divisible resources together. Claims that wish more of both are *coupled*, the others *single*.
 *
 * 1. Water rises for all until one resource is used up. Who wishes more of that one stops, for a claim fills in all its resources or in none.
 * 2. The single claims of the other resource go on until it is used up, or each has its `max`.
 * 3. What would now lie idle of the other resource is shared on among the coupled ones, unless idle budget is to be kept. No claim has
 *    less for it, and 1 and 2 alone are dominant-resource fairness as it was published.
 *
 * So the coupled ones have one level and the single ones another in a resource, and no more levels are needed.
 */
import type { Consumable } from "../resource.ts";
import type { Room } from "./share-claim.ts";
import { compareFractions, type Fraction, fraction, minus, whole } from "./share-fraction.ts";
import { WaterLevel } from "./share-level.ts";

/** The claims that fill in one resource; `all` are the other two together. */
export interface Basin {
  readonly all: WaterLevel;
  readonly coupled: WaterLevel;
  readonly single: WaterLevel;
}

export function emptyBasin(): Basin {
  return { all: new WaterLevel(), coupled: new WaterLevel(), single: new WaterLevel() };
}

/** Levels of one resource; undefined where all have their `max`. */
export interface Levels {
  readonly coupled: Fraction | undefined;
  readonly single: Fraction | undefined;
  /** Whether at these levels all of the resource is given out. */
  readonly isUsedUp: boolean;
}

export type IdleBudget = "shared" | "kept";

export interface Water {
  readonly basins: { readonly [R in Consumable]: Basin };
  /** What there is of each resource for the claims that fill in it; absent where it is not limited. */
  readonly amounts: { readonly [R in Consumable]?: bigint };
  readonly totals: Room;
  readonly idle: IdleBudget;
}

const ALL_FULL: Levels = { coupled: undefined, single: undefined, isUsedUp: false };

export function levelsOf(water: Water): { readonly [R in Consumable]: Levels } {
  const credits = aloneLevel(water, "credits");
  const toolCalls = aloneLevel(water, "toolCalls");
  if (credits && (!toolCalls || compareFractions(perTotal(water, credits), perTotal(water, toolCalls)) <= 0)) {
    return { credits: usedUpFirst(credits), toolCalls: usedUpNext(water, "toolCalls", credits) };
  }
  if (toolCalls) return { credits: usedUpNext(water, "credits", toolCalls), toolCalls: usedUpFirst(toolCalls) };
  return { credits: ALL_FULL, toolCalls: ALL_FULL };
}

interface OneLevel {
  readonly resource: Consumable;
  readonly level: Fraction;
}

/** The level at which a resource would be used up if no other were; undefined where it never is. */
function aloneLevel({ amounts, basins }: Water, resource: Consumable): OneLevel | undefined {
  const amount = amounts[resource];
  const level = amount === undefined ? undefined : basins[resource].all.levelFor(whole(amount));
  return level && { resource, level };
}

/** Levels of two resources are compared as parts of their totals. */
function perTotal({ totals }: Water, { resource, level }: OneLevel): Fraction {
  return fraction(level.numerator, level.denominator * BigInt(totals[resource] ?? 0));
}

function usedUpFirst({ level }: OneLevel): Levels {
  return { coupled: level, single: level, isUsedUp: true };
}

function usedUpNext(water: Water, resource: Consumable, first: OneLevel): Levels {
  const amount = water.amounts[resource];
  if (amount === undefined) return ALL_FULL;
  const { numerator, denominator } = perTotal(water, first);
  const stopped = fraction(numerator * BigInt(water.totals[resource] ?? 0), denominator);
  const { coupled, single } = water.basins[resource];
  const left = minus(whole(amount), coupled.usedAt(stopped));
  const level = single.levelFor(left);
  if (level) return { coupled: stopped, single: level, isUsedUp: true };
  if (water.idle === "kept") {
    return { coupled: stopped, single: undefined, isUsedUp: compareFractions(left, whole(single.maxes)) <= 0 };
  }
  const goneOn = coupled.levelFor(whole(amount - single.maxes));
  return { coupled: goneOn, single: undefined, isUsedUp: goneOn !== undefined };
}
