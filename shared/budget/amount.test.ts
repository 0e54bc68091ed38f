import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import { type Amount, add, amount, isAmount, least, monus, most, subtract, ZERO } from "./amount.ts";

const MAX = LIMITS.amountMax;
const anyAmount = fc.oneof(fc.nat(1_000), fc.maxSafeNat()).map((n) => n as Amount);

describe("amounts", () => {
  test.each([-1, 0.5, MAX + 1, Number.NaN, Number.POSITIVE_INFINITY, -0.1])("%d is no amount", (value) => {
    expect(isAmount(value)).toBe(false);
    expect(() => amount(value)).toThrow("not an amount");
  });

  test.each([0, 1, MAX])("%d is one", (value) => {
    expect(isAmount(value)).toBe(true);
    expect(amount(value)).toBe(value);
  });

  test("a sum above 2^53-1 is a broken invariant, not another number", () => {
    expect(add(amount(MAX - 1), amount(1))).toBe(MAX);
    expect(() => add(amount(MAX), amount(1))).toThrow("amount above 2^53-1");
    expect(() => add(amount(MAX), amount(MAX))).toThrow("amount above 2^53-1");
  });

  test("a difference below zero is a broken invariant", () => {
    expect(subtract(amount(3), amount(3))).toBe(ZERO);
    expect(() => subtract(amount(3), amount(4))).toThrow("amount below zero");
  });

  test("what is subtracted can be added again; monus stops at zero", () => {
    fc.assert(
      fc.property(anyAmount, anyAmount, (a, b) => {
        expect(monus(a, b)).toBe(Math.max(0, a - b));
        expect([least(a, b), most(a, b)]).toEqual([Math.min(a, b), Math.max(a, b)]);
        if (a >= b) expect(add(subtract(a, b), b)).toBe(a);
      }),
    );
  });
});
