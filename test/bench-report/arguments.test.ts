import { describe, expect, test } from "vitest";
import { isAsked, parseBenchArguments } from "./arguments.ts";

const NAMES = ["grants.over_unary", "grants.over_batched", "chain.over_hops"];

describe("the command line", () => {
  test("nothing means everything", () => {
    expect(parseBenchArguments([], NAMES)).toEqual({
      only: [],
      json: undefined,
      against: undefined,
      rounds: 5,
      help: false,
    });
    expect(NAMES.every((name) => isAsked(name, []))).toBe(true);
  });

  test("takes rows, groups and a file", () => {
    const { only, json } = parseBenchArguments(
      ["--only", "grants", "--only=chain.over_hops", "--json", "a.json"],
      NAMES,
    );
    expect(only).toEqual(["grants", "chain.over_hops"]);
    expect(json).toBe("a.json");
  });

  test("a name that is none is refused with those that are", () => {
    expect(() => parseBenchArguments(["--only", "grant"], NAMES)).toThrow(
      /no row is called grant; there are grants\.over_unary/,
    );
    expect(() => parseBenchArguments(["--fast"], NAMES)).toThrow(/--fast/);
    expect(() => parseBenchArguments(["grants"], NAMES)).toThrow(/grants/);
  });

  test("takes another checkout to compare with, and how often", () => {
    expect(parseBenchArguments(["--against", "../old"], NAMES)).toMatchObject({ against: "../old", rounds: 5 });
    expect(parseBenchArguments(["--against=../old", "--rounds=7"], NAMES)).toMatchObject({ rounds: 7 });
    expect(() => parseBenchArguments(["--against", "../old", "--rounds", "none"], NAMES)).toThrow(/--rounds none/);
    expect(() => parseBenchArguments(["--rounds", "7"], NAMES)).toThrow(/--against/);
  });

  test("a group is the part of a name before a dot", () => {
    expect(isAsked("grants.over_unary", ["grants"])).toBe(true);
    expect(isAsked("grants.over_unary", ["grants.over_unary"])).toBe(true);
    expect(isAsked("grants.over_unary", ["grants.over"])).toBe(false);
  });
});
