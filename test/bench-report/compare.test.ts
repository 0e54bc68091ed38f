import { describe, expect, test } from "vitest";
import { comparisonOf } from "./compare.ts";
import { type Measured, rowOf } from "./row.ts";

const speed = (value: number) => rowOf({ name: "a.speed", unit: "u/s", value, bar: { better: "higher", goal: 1 } });
const time = (value: number) => rowOf({ name: "a.time", unit: "ms", value, bar: { better: "lower", goal: 1 } });

describe("a comparison", () => {
  test("sets the median of now beside that of before", () => {
    const rounds = [100, 300, 200].map((value) => ({ now: [speed(value)], before: [speed(2 * value)] }));
    const [row] = comparisonOf(rounds).map(rowOf);
    expect(row).toMatchObject({ name: "a.speed", unit: "u/s", value: 200, baseline: 400, ratio: 0.5, met: false });
  });

  test("allows five hundredths in the direction in which a row is worse", () => {
    const verdict = (now: Measured, before: Measured) =>
      comparisonOf([{ now: [rowOf(now)], before: [rowOf(before)] }]).map(rowOf)[0]?.met;
    const bar = { goal: 1 } as const;
    const higher = (value: number) => ({ name: "a", unit: "u", value, bar: { ...bar, better: "higher" } }) as const;
    const lower = (value: number) => ({ name: "a", unit: "u", value, bar: { ...bar, better: "lower" } }) as const;
    expect(verdict(higher(96), higher(100))).toBe(true);
    expect(verdict(higher(94), higher(100))).toBe(false);
    expect(verdict(higher(200), higher(100))).toBe(true);
    expect(verdict(lower(104), lower(100))).toBe(true);
    expect(verdict(lower(106), lower(100))).toBe(false);
  });

  test("leaves out what one of the two does not have, and gives no verdict on what only informs", () => {
    const informs = rowOf({ name: "a.more", unit: "u", value: 1 });
    const rounds = [{ now: [speed(1), time(1), informs], before: [time(2), informs] }];
    expect(comparisonOf(rounds).map(({ name }) => name)).toEqual(["a.time", "a.more"]);
    expect(comparisonOf(rounds).map(rowOf)[1]).toMatchObject({ ratio: 1, met: null });
    expect(comparisonOf([])).toEqual([]);
  });
});
