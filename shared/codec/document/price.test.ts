import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Amount } from "#budget";
import { LIMITS } from "#std";
import { affordableCodeMs, codeCost, modelCallCost, type Price } from "./price.ts";

const price = (numerator: number, denominator = 1): Price => ({ numerator, denominator });
const anyPrice = fc.record({ numerator: fc.nat(1_000_000), denominator: fc.integer({ min: 1, max: 1_000_000 }) });

describe("a model call", () => {
  test.each([
    [{ contextTokens: 4_808, generatedTokens: 10 }, price(3), price(15), 14_574],
    [{ contextTokens: 0, generatedTokens: 0 }, price(3), price(15), 0],
    [{ contextTokens: 1, generatedTokens: 0 }, price(1, 1_000), price(0), 1],
    [{ contextTokens: 1_000, generatedTokens: 0 }, price(3, 1_000), price(0), 3],
    [{ contextTokens: 1_001, generatedTokens: 0 }, price(3, 1_000), price(0), 4],
    // Two thirds and a third are one credit: the call is rounded, not its parts.
    [{ contextTokens: 2, generatedTokens: 1 }, price(1, 3), price(1, 3), 1],
    // In floating point 0.1 + 0.2 is more than 0.3 and would cost a second credit.
    [{ contextTokens: 1, generatedTokens: 1 }, price(7, 10), price(3, 10), 1],
  ])("%j", (tokens, contextToken, generatedToken, expected) => {
    expect(modelCallCost(tokens, { contextToken, generatedToken })).toBe(expected);
  });

  test("costs the smallest whole number of credits that covers it", () => {
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.nat(100_000),
        anyPrice,
        anyPrice,
        (contextTokens, generatedTokens, first, second) => {
          const cost = BigInt(
            modelCallCost({ contextTokens, generatedTokens }, { contextToken: first, generatedToken: second }),
          );
          const scale = BigInt(first.denominator) * BigInt(second.denominator);
          const exact =
            BigInt(contextTokens) * BigInt(first.numerator) * BigInt(second.denominator) +
            BigInt(generatedTokens) * BigInt(second.numerator) * BigInt(first.denominator);
          const covers = (credits: bigint): boolean => credits * scale >= exact;
          if (cost === BigInt(LIMITS.amountMax)) return;
          expect(covers(cost)).toBe(true);
          expect(cost === 0n || !covers(cost - 1n)).toBe(true);
        },
      ),
    );
  });

  test("is exact up to the largest amount and never more than it", () => {
    const unit = { contextToken: price(1), generatedToken: price(1) };
    const tokens = { contextTokens: LIMITS.amountMax - 1, generatedTokens: 1 };
    expect(modelCallCost(tokens, unit)).toBe(LIMITS.amountMax);
    expect(modelCallCost({ ...tokens, generatedTokens: 9 }, unit)).toBe(LIMITS.amountMax);
    const dear = { contextToken: price(LIMITS.amountMax), generatedToken: price(LIMITS.amountMax, 7) };
    expect(modelCallCost(tokens, dear)).toBe(LIMITS.amountMax);
  });

  test("of no whole number of tokens is a mistake of the caller", () => {
    const unit = { contextToken: price(1), generatedToken: price(1) };
    for (const contextTokens of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(() => modelCallCost({ contextTokens, generatedTokens: 0 }, unit)).toThrow("must be a whole number from 0");
    }
  });
});

describe("code", () => {
  const usual = { call: price(1), second: price(100) };

  test.each([
    [0, 1],
    [1, 2],
    [10, 2],
    [11, 3],
    [1_990, 200],
    [1_991, 201],
  ])("that runs %i ms costs %i", (elapsedMs, credits) => {
    expect(codeCost(elapsedMs, usual)).toBe(credits);
  });

  test("runs as long as its credits last, and not a millisecond longer", () => {
    expect(affordableCodeMs(200 as Amount, usual)).toBe(1_990);
    expect(affordableCodeMs(0 as Amount, usual)).toBeUndefined();
    expect(affordableCodeMs(1 as Amount, usual)).toBe(0);
    expect(affordableCodeMs(1 as Amount, { call: price(1), second: price(0) })).toBe(LIMITS.durationMsMax);
    fc.assert(
      fc.property(fc.nat(1_000_000_000), anyPrice, anyPrice, (credits, call, second) => {
        const longestMs = affordableCodeMs(credits as Amount, { call, second });
        if (longestMs === undefined) {
          expect(codeCost(0, { call, second })).toBeGreaterThan(credits);
          return;
        }
        expect(codeCost(longestMs, { call, second })).toBeLessThanOrEqual(credits);
        if (longestMs === LIMITS.durationMsMax) return;
        expect(codeCost(longestMs + 1, { call, second })).toBeGreaterThan(credits);
      }),
    );
  });
});
