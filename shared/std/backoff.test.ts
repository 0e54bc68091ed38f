import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffMs } from "./backoff.ts";

test("waits whole milliseconds within a window that doubles up to its maximum", () => {
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(
      fc.nat(5_000),
      fc.integer({ min: 1, max: 60_000 }),
      fc.nat(600_000),
      random,
      (attempt, baseMs, more, r) => {
        const maxMs = baseMs + more;
        const waitMs = backoffMs({ attempt, baseMs, maxMs, random: r });
        expect(Number.isSafeInteger(waitMs)).toBe(true);
        expect(waitMs).toBeGreaterThanOrEqual(0);
        expect(waitMs).toBeLessThanOrEqual(Math.min(maxMs, baseMs * 2 ** attempt));
      },
    ),
  );
});

test("reaches both ends of the window", () => {
  const almostOne = 1 - Number.EPSILON / 2;
  expect(backoffMs({ attempt: 3, baseMs: 100, maxMs: 2_000, random: 0 })).toBe(0);
  expect(backoffMs({ attempt: 0, baseMs: 100, maxMs: 2_000, random: almostOne })).toBe(100);
  expect(backoffMs({ attempt: 3, baseMs: 100, maxMs: 2_000, random: almostOne })).toBe(800);
  expect(backoffMs({ attempt: 9, baseMs: 100, maxMs: 2_000, random: almostOne })).toBe(2_000);
});

test("refuses what cannot be meant", () => {
  expect(() => backoffMs({ attempt: -1, baseMs: 100, maxMs: 2_000, random: 0 })).toThrow("counted from 0");
  expect(() => backoffMs({ attempt: 0, baseMs: 100, maxMs: 50, random: 0 })).toThrow("baseMs <= maxMs");
  expect(() => backoffMs({ attempt: 0, baseMs: 100, maxMs: 2_000, random: 1 })).toThrow("just under 1");
});
