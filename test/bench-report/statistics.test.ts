import { describe, expect, test } from "vitest";
import { median, quantile } from "./statistics.ts";

describe("statistics", () => {
  test("the median is the middle sample, or between the two in the middle", () => {
    expect(median([30, 10, 20])).toBe(20);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([7])).toBe(7);
    expect(median([])).toBeNaN();
  });

  test("a quantile is a sample by its rank", () => {
    const samples = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(quantile(samples, 0.5)).toBe(50);
    expect(quantile(samples, 0.99)).toBe(99);
    expect(quantile(samples, 1)).toBe(100);
    expect(quantile(samples, 0)).toBe(1);
    expect(quantile([5], 0.99)).toBe(5);
    expect(quantile([], 0.5)).toBeNaN();
  });

  test("samples stay in their order", () => {
    const samples = Object.freeze([3, 1, 2]);
    median(samples);
    quantile(samples, 0.5);
    expect(samples).toEqual([3, 1, 2]);
  });
});
