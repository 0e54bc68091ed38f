import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import type { Reader } from "./place.ts";
import { readDocument } from "./read-document.ts";
import { bytes, choice, duration, name, text, whole } from "./scalars.ts";

/** The value, or the message of the one problem. */
function read<T>(reader: Reader<T>, content: string): T | string {
  const result = readDocument({ file: "f.yaml", text: content }, reader);
  if (result.ok) return result.value;
  expect(result.problems).toHaveLength(1);
  return result.problems[0]?.message ?? "";
}

describe("whole numbers", () => {
  const credits = whole({ unit: "credits" });

  test("every amount is read exactly, grouped or not", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(read(credits, String(value))).toBe(value);
        expect(read(credits, value.toLocaleString("en-US").replaceAll(",", "_"))).toBe(value);
      }),
    );
    expect(read(credits, "9007199254740991")).toBe(LIMITS.amountMax);
    expect(read(credits, '"1_000"')).toBe(1_000);
  });

  test.each([
    "-5",
    "2.5",
    "1e9",
    "0x10",
    "010",
    "1__0",
    "_1",
    "1_",
    "+1",
    ".5",
    ".inf",
    "ten",
    "1 000",
    '"1,000"',
    "[1]",
    "{}",
    "true",
    "~",
  ])("%s is refused by name", (content) => {
    expect(read(credits, content)).toMatch(/^must be a whole number of credits, 0 or more; got /);
  });

  test("absurd sizes are refused by name, not rounded", () => {
    expect(read(credits, "9007199254740992")).toBe("must be at most 9007199254740991 credits; got 9007199254740992");
    expect(read(credits, "9".repeat(4_000))).toBe(`must be at most 9007199254740991 credits; got ${"9".repeat(40)}…`);
    expect(read(whole({ unit: "slots", min: 1, max: 8 }), "0")).toBe(
      "must be a whole number of slots, 1 or more; got 0",
    );
    expect(read(whole({ unit: "slots", min: 1, max: 8 }), "9")).toBe("must be at most 8 slots; got 9");
  });
});

describe("durations", () => {
  test.each([
    ["500ms", 500],
    ["90s", 90_000],
    ["10m", 600_000],
    ["1h30m", 5_400_000],
    ["2d", 172_800_000],
    ["1m500ms", 60_500],
    ["86_400s", 86_400_000],
    ["1d2h3m4s5ms", 93_784_005],
  ])("%s", (content, ms) => {
    expect(read(duration(), content)).toBe(ms);
  });

  test.each(["s", "1.5h", "-1s", "30m1h", "1s1s", "1 s", "10min", "1H", "", "[]", "1_s"])(
    "%j is refused",
    (content) => {
      expect(read(duration(), content)).toMatch(/^must be a duration like 500ms, 90s, 10m or 1h30m; got /);
    },
  );

  test("a missing unit, a zero and an eternity are named", () => {
    expect(read(duration(), "90")).toBe("must be a duration like 500ms, 90s, 10m or 1h30m; got 90 without a unit");
    expect(read(duration(), "0s")).toBe("must be at least 1ms; got 0s");
    expect(read(duration({ minMs: 0 }), "0s")).toBe(0);
    expect(read(duration(), "3660d")).toBe(LIMITS.durationMsMax);
    expect(read(duration(), "3661d")).toBe("must be at most ten years; got 3661d");
    expect(read(duration(), `${"9".repeat(1_000)}h`)).toMatch(/^must be at most ten years; got 9/);
  });
});

describe("bytes", () => {
  test.each([
    ["1_000_000", 1_000_000],
    ["0", 0],
    ["12B", 12],
    ["512MiB", 536_870_912],
    ["2 GiB", 2_147_483_648],
    ["4TB", 4_000_000_000_000],
    ["8kB", 8_000],
  ])("%s", (content, expected) => {
    expect(read(bytes, content)).toBe(expected);
  });

  test.each([
    ["1.5GiB", "got 1.5GiB"],
    ["-1", "got -1"],
    ["512mib", "got 512mib; did you mean MiB?"],
    ["2Gib", "got 2Gib; did you mean GiB?"],
    ["1constructor", "got 1constructor"],
    ["[]", "got a list"],
  ])("%s is refused", (content, ending) => {
    expect(read(bytes, content)).toBe(`must be a whole number of bytes like 1_000_000, 512MiB or 2GiB; ${ending}`);
  });

  test("absurd sizes are refused by name", () => {
    expect(read(bytes, "8192TiB")).toBe("must be at most 9007199254740991 bytes; got 8192TiB");
  });
});

test("texts, names and choices say what they want", () => {
  expect(read(text(), "''")).toBe("must not be empty");
  expect(read(text(), '"a\\0b"')).toBe("must not contain a NUL character");
  expect(read(text({ charsMax: 3 }), "abcd")).toBe("has 4 characters; at most 3 are allowed");
  expect(read(text(), "yes")).toBe("yes");
  expect(read(name, "a-1_b")).toBe("a-1_b");
  expect(read(name, "Data")).toMatch(/^must be a name of small letters, digits, - and _, .*; got Data$/);
  expect(read(name, "a".repeat(64))).toBe("has 64 characters; at most 63 are allowed");
  expect(read(choice(["LOW", "HIGH"]), "HIGH")).toBe("HIGH");
  expect(read(choice(["LOW", "HIGH"]), "HIHG")).toBe("must be one of LOW, HIGH; got HIHG; did you mean HIGH?");
  expect(read(choice(["LOW", "HIGH"]), "[LOW]")).toBe("must be one of LOW, HIGH; got a list");
});
