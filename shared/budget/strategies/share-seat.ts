/** A claim's place in a pool of shares, and the part of it in each resource that fills with the water. */
import { assert } from "#std";
import { type Amount, add, amount, least } from "../amount.ts";
import { type Amounts, CONSUMABLES, type Consumable } from "../resource.ts";
import { type Claim, isGrowing, type Room, rateOf } from "./share-claim.ts";
import { type Fraction, fraction } from "./share-fraction.ts";
import { type Arrival, type Mark, markAt, type Rise } from "./share-level.ts";

/** A claim in one divisible resource of which it wishes more than its `min`. */
export interface Part extends Rise {
  readonly seat: Seat;
  /** Never above `max`: what a seat holds beyond its wish is not for the shares to judge. */
  held: Amount;
  /** Its places among those who have more than `min`, and less than `max`; absent where it is not among them. */
  above?: Standing | undefined;
  below?: Standing | undefined;
}

/** A holder's place in a ranking. */
export type Standing = Mark<Part>;

/** A claim that is counted; what it holds is kept beside it. Only the pool that it belongs to changes it. */
export interface Seat extends Arrival {
  readonly claim: Claim;
  held: Amounts;
  parts: { readonly [R in Consumable]?: Part };
}

/** The parts of a seat where dominant shares are parts of `totals`. */
export function partsOf(seat: Seat, totals: Room): Seat["parts"] {
  const parts: { [R in Consumable]?: Part } = {};
  const { claim, held } = seat;
  for (const resource of CONSUMABLES) {
    if (!isGrowing(claim, resource, totals)) continue;
    const [min, max, rate] = [claim.min[resource], claim.max[resource], rateOf(claim, resource, totals)];
    const starts = markAt({ at: min, rate, turn: 1, arrival: seat, owner: seat });
    const fills = markAt({ at: max, rate, turn: -1, arrival: seat, owner: seat });
    parts[resource] = { seat, min, max, rate, starts, fills, held: least(held[resource], max) };
  }
  return parts;
}

/** Whether a seat fills in both divisible resources at once: where one of them is used up, the other waits. */
export function isCoupled({ parts }: Seat): boolean {
  return parts.credits !== undefined && parts.toolCalls !== undefined;
}

/** What a part has at a level, exactly: whole units, and what is left of one more; between `min` and `max`. */
export interface PartShare {
  readonly units: Amount;
  readonly rest: Fraction | undefined;
}

/** The share at a level; at no level (undefined) all that is wished for. */
export function shareAt(part: Part, level: Fraction | undefined): PartShare {
  const { min, max, rate } = part;
  if (!level) return { units: max, rest: undefined };
  const { numerator, denominator } = level;
  assert(numerator >= 0n, "no level is below zero");
  const rise = BigInt(rate) * numerator;
  const units = rise / denominator;
  if (units < BigInt(min)) return { units: min, rest: undefined };
  if (units >= BigInt(max)) return { units: max, rest: undefined };
  const rest = rise - units * denominator;
  return { units: amount(Number(units)), rest: rest === 0n ? undefined : fraction(rest, denominator) };
}

/** The whole numbers around the share at a level. */
export function boundsAt(part: Part, level: Fraction | undefined): readonly [least: Amount, most: Amount] {
  const { units, rest } = shareAt(part, level);
  return [units, rest ? add(units, ONE) : units];
}

const ONE = amount(1);
