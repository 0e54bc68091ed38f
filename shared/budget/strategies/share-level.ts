/**
 * The level of water in one resource: each claim in it has clamp(level · rate, min, max). Every claim is two marks, where it begins to rise
 * above `min` (at min/rate) and where it reaches `max` (at max/rate). Between two marks the sum of all is a straight line, of which the
 * marks passed so far know the height and the slope; so a level is found by walking down a tree of marks. Adding, removing, and finding the
 * level for an amount take O(log n) steps, all of them exact: clear cases are decided by rounded products, close ones by large integers.
 */
import { RankedList } from "#std";
import type { Amount } from "../amount.ts";
import { CLEARLY, compareQuotients, type Fraction, fraction, signOf, whole } from "./share-fraction.ts";

/** A quotient, of a claim's or of the water's. */
export interface Height {
  readonly numerator: number | bigint;
  readonly denominator: number | bigint;
  readonly approx: number;
}

/** A place in the order of heights; among equals it is told by who came first. */
export interface Place extends Height {
  readonly sequence: number;
  readonly number: number;
}

/** A place of a claim: where it begins to rise or is full, or how high it stands. */
export interface Mark<Owner = unknown> extends Place {
  readonly numerator: number;
  readonly denominator: number;
  /** What it changes of the slope: where a claim begins to rise 1, where it is full -1, elsewhere 0. */
  readonly turn: Turn;
  readonly owner: Owner;
}

export type Turn = 1 | -1 | 0;

/** A claim as far as one resource is concerned. Rate and max are above zero, min is below max. */
export interface Rise {
  readonly min: Amount;
  readonly max: Amount;
  readonly rate: number;
  readonly starts: Mark;
  readonly fills: Mark;
}

export interface Arrival {
  readonly sequence: number;
  /** Tells apart those of one sequence. */
  readonly number: number;
}

export interface MarkOptions<Owner> {
  readonly at: number;
  readonly rate: number;
  readonly turn: Turn;
  readonly arrival: Arrival;
  readonly owner: Owner;
}

/** The mark of a claim where it has so much. */
export function markAt<Owner>({ at, rate, turn, arrival, owner }: MarkOptions<Owner>): Mark<Owner> {
  const { sequence, number } = arrival;
  return { numerator: at, denominator: rate, approx: at / rate, sequence, number, turn, owner };
}

function comparePlaces(a: Place, b: Place): number {
  return compareHeights(a, b) || a.sequence - b.sequence || a.number - b.number;
}

/** Below zero where `a` is the lower one. */
export function compareHeights(a: Height, b: Height): number {
  const apart = a.approx - b.approx;
  const unclear = (a.approx + b.approx) * CLEARLY;
  if (apart > unclear || apart < -unclear) return apart;
  const { numerator, denominator } = b;
  if (a.numerator === numerator && a.denominator === denominator) return 0;
  if (typeof a.numerator === "number" && typeof a.denominator === "number") {
    if (typeof numerator === "number" && typeof denominator === "number") {
      return compareQuotients(a.numerator, a.denominator, numerator, denominator);
    }
  }
  return signOf(BigInt(a.numerator) * BigInt(denominator) - BigInt(numerator) * BigInt(a.denominator));
}

/**
 * What the marks passed change of height and slope. A sum of millions of amounts passes 2^53, so each is kept in two parts, of which the
 * high one counts 2^26.
 */
interface Passed {
  heightHigh: number;
  heightLow: number;
  slopeHigh: number;
  slopeLow: number;
  /** The highest of them. */
  last: Mark | undefined;
}

const HIGH = 2 ** 26;

function nothing(): Passed {
  return { heightHigh: 0, heightLow: 0, slopeHigh: 0, slopeLow: 0, last: undefined };
}

function addBend(passed: Passed, bend: Mark): void {
  pass(passed, bend);
  if (!passed.last || comparePlaces(passed.last, bend) < 0) passed.last = bend;
}

/** `times`: -1 takes it back. */
function pass(passed: Passed, bend: Mark, times = 1): void {
  const sign = bend.turn * times;
  const height = Math.floor(bend.numerator / HIGH);
  const slope = Math.floor(bend.denominator / HIGH);
  passed.heightHigh -= sign * height;
  passed.heightLow -= sign * (bend.numerator - height * HIGH);
  passed.slopeHigh += sign * slope;
  passed.slopeLow += sign * (bend.denominator - slope * HIGH);
}

/** The highest mark cannot be told from the others once it is taken. */
function takeBend(passed: Passed, bend: Mark): boolean {
  if (passed.last === bend) return false;
  pass(passed, bend, -1);
  return true;
}

function addPassed(passed: Passed, other: Passed): void {
  passAll(passed, other);
  if (other.last && (!passed.last || comparePlaces(passed.last, other.last) < 0)) passed.last = other.last;
}

function passAll(passed: Passed, other: Passed): void {
  passed.heightHigh += other.heightHigh;
  passed.heightLow += other.heightLow;
  passed.slopeHigh += other.slopeHigh;
  passed.slopeLow += other.slopeLow;
}

const exact = (high: number, low: number): bigint => BigInt(high) * BigInt(HIGH) + BigInt(low);

export class WaterLevel {
  readonly #bends = new RankedList<Place, Mark, Passed>({
    compare: comparePlaces,
    measure: { zero: nothing, addItem: addBend, addTotal: addPassed, takeItem: takeBend },
  });
  #mins = 0n;
  #minsApprox = 0;
  #maxes = 0n;

  /** What all have together when each has its `max`. */
  get maxes(): bigint {
    return this.#maxes;
  }

  add({ min, max, starts, fills }: Rise): void {
    this.#bends.add(starts);
    this.#bends.add(fills);
    this.#setMins(this.#mins + BigInt(min));
    this.#maxes += BigInt(max);
  }

  remove({ min, max, starts, fills }: Rise): void {
    this.#bends.remove(starts);
    this.#bends.remove(fills);
    this.#setMins(this.#mins - BigInt(min));
    this.#maxes -= BigInt(max);
  }

  #setMins(mins: bigint): void {
    this.#mins = mins;
    this.#minsApprox = Number(mins);
  }

  /** What all have together at this level. */
  usedAt(level: Fraction): Fraction {
    // A mark at the level itself changes nothing of the height there.
    const passed = this.#bends.before({ ...level, sequence: -1, number: -1 });
    const height = this.#mins + exact(passed.heightHigh, passed.heightLow);
    const slope = exact(passed.slopeHigh, passed.slopeLow);
    return fraction(height * level.denominator + slope * level.numerator, level.denominator);
  }

  /** The highest level at which all together have no more than `amount`; zero where even that is too much, undefined where all are full. */
  levelFor(amount: Fraction): Fraction | undefined {
    const passed = nothing();
    const found = this.#bends.find(0, {
      among: (total) => {
        const last = total.last;
        if (!last || !this.#isWithin(amount, { passed, total, at: last })) return true;
        passAll(passed, total);
        return false;
      },
      is: (bend) => {
        if (!this.#isWithin(amount, { passed, total: undefined, at: bend })) return true;
        pass(passed, bend);
        return false;
      },
    });
    if (!found) return undefined;
    const slope = exact(passed.slopeHigh, passed.slopeLow);
    if (slope === 0n) return whole(0n);
    const height = this.#mins + exact(passed.heightHigh, passed.heightLow);
    return fraction(amount.numerator - height * amount.denominator, slope * amount.denominator);
  }

  /** Whether all together have no more than `amount` at the height of one mark, of which `passed` and `total` are those before it. */
  #isWithin(amount: Fraction, { passed, total, at }: Reading): boolean {
    const heightHigh = passed.heightHigh + (total?.heightHigh ?? 0);
    const heightLow = passed.heightLow + (total?.heightLow ?? 0);
    const slopeHigh = passed.slopeHigh + (total?.slopeHigh ?? 0);
    const slopeLow = passed.slopeLow + (total?.slopeLow ?? 0);
    const { numerator, denominator } = at;
    const height = this.#minsApprox + (heightHigh * HIGH + heightLow);
    const rise = (slopeHigh * HIGH + slopeLow) * numerator;
    const room = (amount.approx - height) * denominator;
    // How large the terms are, not how large their difference is, tells how far rounding can go.
    const terms = rise + (Math.abs(amount.approx) + this.#minsApprox + Math.abs(height)) * denominator;
    if (Math.abs(rise - room) > terms * CLEARLY) return rise < room;
    const exactRise = exact(slopeHigh, slopeLow) * BigInt(numerator);
    const exactRoom = amount.numerator - (this.#mins + exact(heightHigh, heightLow)) * amount.denominator;
    return exactRise * amount.denominator <= exactRoom * BigInt(denominator);
  }
}

interface Reading {
  readonly passed: Passed;
  readonly total: Passed | undefined;
  readonly at: Mark;
}
