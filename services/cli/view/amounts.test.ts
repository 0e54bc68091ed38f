import { expect, test } from "vitest";
import { bar, bytes, count, countOf, milliseconds, percent } from "./amounts.ts";

test("counts are grouped and agree with their noun", () => {
  expect(count(57_868_362)).toBe("57,868,362");
  expect(count(9_007_199_254_740_991n)).toBe("9,007,199,254,740,991");
  expect([countOf(1, "credit"), countOf(0, "credit"), countOf(2, "branch", "branches")]).toEqual([
    "1 credit",
    "0 credits",
    "2 branches",
  ]);
});

test.each([
  [0, "0 bytes"],
  [1_023, "1023 bytes"],
  [1_024, "1 KiB"],
  [268_435_456, "256 MiB"],
  [1_610_612_736n, "1.5 GiB"],
])("%d bytes read %s", (amount, text) => {
  expect(bytes(amount)).toBe(text);
});

test.each([
  [0, "0 ms"],
  [999, "999 ms"],
  [2_100, "2.1 s"],
  [60_000, "1 min"],
  [95_000, "1 min 35 s"],
  [7_200_000, "2 h"],
  [7_265_000, "2 h 1 min"],
])("%d milliseconds read %s", (amount, text) => {
  expect(milliseconds(amount)).toBe(text);
});

test.each([
  [0, 100, "0%", "░░░░░░░░░░"],
  [1, 1_000, "<1%", "█░░░░░░░░░"],
  [42, 100, "42%", "████░░░░░░"],
  [999, 1_000, "99%", "█████████░"],
  [100, 100, "100%", "██████████"],
  [112, 100, "112%", "██████████"],
  [5, undefined, "", ""],
  [0, 0, "", ""],
])("%d of %s is %s", (used, limit, text, drawn) => {
  expect(percent(used, limit)).toBe(text);
  expect(bar(used, limit)).toBe(drawn);
});
