import { describe, expect, test } from "vitest";
import { rowOf } from "./row.ts";

describe("a row", () => {
  test("has exactly the fields of its JSON form", () => {
    const row = rowOf({
      name: "grants.over_unary",
      unit: "decisions/s",
      value: 120_000,
      baseline: 10_000,
      bar: { better: "higher", goal: 20, floor: 10 },
    });
    expect(JSON.parse(JSON.stringify(row))).toEqual({
      name: "grants.over_unary",
      unit: "decisions/s",
      value: 120_000,
      baseline: 10_000,
      ratio: 12,
      goal: 20,
      met: false,
      better: "higher",
      bar_on: "ratio",
      floor: 10,
      floor_met: true,
    });
  });

  test("is judged by its value where it has no baseline", () => {
    const bar = { better: "higher", goal: 500_000 } as const;
    expect(rowOf({ name: "a", unit: "u", value: 500_000, bar })).toMatchObject({
      ratio: null,
      met: true,
      floor: 500_000,
    });
    expect(rowOf({ name: "a", unit: "u", value: 499_000, bar })).toMatchObject({ met: false, floor_met: false });
  });

  test("may have a bar that lower is better for", () => {
    const bar = { better: "lower", goal: 2, floor: 3 } as const;
    expect(rowOf({ name: "a", unit: "ms", value: 4, baseline: 2, bar })).toMatchObject({ met: true, floor_met: true });
    expect(rowOf({ name: "a", unit: "ms", value: 5, baseline: 2, bar })).toMatchObject({ met: false, floor_met: true });
    expect(rowOf({ name: "a", unit: "ms", value: 7, baseline: 2, bar })).toMatchObject({
      met: false,
      floor_met: false,
    });
  });

  test("may have its bar on the value although there is a bare thing", () => {
    const bar = { better: "lower", goal: 10, on: "value" } as const;
    const row = rowOf({ name: "a", unit: "ms", value: 9, baseline: 0.5, bar });
    expect(row).toMatchObject({ ratio: 18, bar_on: "value", met: true });
    expect(rowOf({ name: "a", unit: "ms", value: 11, baseline: 10, bar })).toMatchObject({ met: false });
  });

  test("that only informs has no verdict", () => {
    expect(rowOf({ name: "a", unit: "u", value: 1 })).toMatchObject({
      goal: null,
      met: null,
      floor: null,
      floor_met: null,
    });
  });

  test("does not pretend to more digits than it has", () => {
    expect(rowOf({ name: "a", unit: "u", value: 123_456.789, baseline: 3 })).toMatchObject({
      value: 123_500,
      ratio: 41_150,
    });
  });
});
