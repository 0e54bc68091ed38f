/** Levels and comparisons where rounded numbers cannot tell: beside large integers, and by what a level means. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { LIMITS, Prng } from "#std";
import { amount } from "../amount.ts";
import { compareFractions, compareQuotients, fraction, signOf, whole } from "./share-fraction.ts";
import { markAt, type Rise, WaterLevel } from "./share-level.ts";

const MAX = LIMITS.amountMax;
const RATE_MAX = LIMITS.weightMax * 2 ** 32;

test("quotients that lie as close as can be are told apart", () => {
  const denominator = fc.integer({ min: 1, max: RATE_MAX });
  fc.assert(
    fc.property(fc.maxSafeNat(), denominator, denominator, fc.integer({ min: -1, max: 1 }), (a, b, d, off) => {
      const c = Math.min(MAX, Math.max(0, Number((BigInt(a) * BigInt(d)) / BigInt(b)) + off));
      const exact = signOf(BigInt(a) * BigInt(d) - BigInt(c) * BigInt(b));
      expect(Math.sign(compareQuotients(a, b, c, d))).toBe(exact);
    }),
    { numRuns: 2_000 },
  );
});

function anyRise(prng: Prng, number: number): Rise {
  const max = amount(1 + prng.below(MAX));
  const min = amount(prng.below(max));
  const rate = prng.pick([1 + prng.below(RATE_MAX), 1 + prng.below(1_000)]);
  const mark = (at: number, turn: 1 | -1) =>
    markAt({ at, rate, turn, arrival: { sequence: 0, number }, owner: undefined });
  return { min, max, rate, starts: mark(min, 1), fills: mark(max, -1) };
}

test("at the level for an amount all together have just that amount, however close it is to a mark", () => {
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom(-1n, 0n, 1n), (seed, off) => {
      const prng = new Prng(seed);
      const rises = Array.from({ length: 1 + prng.below(200) }, (_, number) => anyRise(prng, number));
      const water = new WaterLevel();
      for (const rise of rises) water.add(rise);
      for (const gone of rises.splice(rises.length >> 1)) water.remove(gone);
      if (rises.length === 0) return;
      const { starts, fills } = prng.pick(rises);
      const { numerator, denominator } = prng.pick([starts, fills]);
      const used = water.usedAt(fraction(BigInt(numerator), BigInt(denominator)));
      const wanted = fraction(used.numerator + off, used.denominator);
      const level = water.levelFor(wanted);
      if (level === undefined) {
        expect(compareFractions(wanted, whole(water.maxes))).toBeGreaterThanOrEqual(0);
      } else if (compareFractions(wanted, water.usedAt(whole(0n))) < 0) {
        expect(level.numerator).toBe(0n);
      } else {
        expect(compareFractions(water.usedAt(level), wanted)).toBe(0);
      }
    }),
    { numRuns: 500 },
  );
});
