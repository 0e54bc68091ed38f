/** What may be said to `npm run crash`, and what is refused. */
import { describe, expect, test } from "vitest";
import { parseCrashArguments } from "./arguments.ts";

const problemsOf = (...argv: string[]) => {
  const parsed = parseCrashArguments(argv, 7);
  return parsed.ok ? [] : parsed.problems;
};

describe("the arguments", () => {
  test("say how many rounds, and from which seed", () => {
    const parsed = parseCrashArguments(["--rounds", "200", "--seed", "4294967295"], 7);
    expect(parsed).toEqual({ ok: true, value: { rounds: 200, seed: 4_294_967_295, help: false } });
  });

  test("left out: twenty rounds from a drawn seed", () => {
    expect(parseCrashArguments([], 7)).toEqual({ ok: true, value: { rounds: 20, seed: 7, help: false } });
  });

  test("that are wrong are all told at once", () => {
    expect(problemsOf("--rounds", "0", "--seed", "x")).toEqual([
      expect.stringContaining("--rounds must be a whole number from 1"),
      expect.stringContaining('--seed must be a whole number from 0 to 4294967295, got "x"'),
    ]);
    expect(problemsOf("--round", "3")).toEqual([expect.stringContaining("--round")]);
    expect(problemsOf("3")).toHaveLength(1);
    expect(problemsOf("--rounds", "-1")).toHaveLength(1);
  });
});
