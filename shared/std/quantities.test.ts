import { expect, test } from "vitest";
import { bytesOf, durationOf } from "./quantities.ts";

test.each([
  ["500ms", 500n],
  ["90s", 90_000n],
  ["1h30m", 5_400_000n],
  ["2d", 172_800_000n],
  ["1_000ms", 1_000n],
  ["99999999999999999999d", 8_639_999_999_999_999_999_913_600_000n],
])("%s is a duration", (written, ms) => {
  expect(durationOf(written)).toBe(ms);
});

test.each(["", "90", "1.5h", "-1s", "30m1h", "1__0s", "s"])("%j is no duration", (written) => {
  expect(durationOf(written)).toBeUndefined();
});

test.each([
  ["0", 0n],
  ["1_000_000", 1_000_000n],
  ["512MiB", 536_870_912n],
  ["2 GB", 2_000_000_000n],
])("%s are bytes", (written, bytes) => {
  expect(bytesOf(written)).toBe(bytes);
});

test.each(["", "MiB", "1.5MiB", "-1", "1 mib", "07", "1__0", "1toString"])("%j are no bytes", (written) => {
  expect(bytesOf(written)).toBeUndefined();
});
