import { describe, expect, it } from "vitest";
import { type Program, parseProgram, usageOf } from "./arguments.ts";

const program: Program = {
  command: "npm run simulate --",
  numbers: [
    { name: "seed", meaning: "what decides everything", least: 0, usual: 1 },
    { name: "minutes", meaning: "how long", least: 1, usual: undefined },
  ],
  flags: [{ name: "fair", meaning: "nothing goes wrong" }],
};

function parsed(...argv: string[]) {
  const result = parseProgram(program, argv);
  return result.ok ? { ...Object.fromEntries(result.numbers), flags: [...result.flags] } : result.message;
}

describe("a program of the simulation", () => {
  it("takes numbers and flags, and what is usual where nothing is said", () => {
    expect(parsed("--minutes", "3", "--fair")).toEqual({ seed: 1, minutes: 3, flags: ["fair"] });
    expect(parsed("--minutes=3", "--seed", "0")).toEqual({ seed: 0, minutes: 3, flags: [] });
  });

  it("names everything that is wrong at once, with the usage", () => {
    const message = parsed("--seed", "-1");
    expect(message).toContain("seed");
    const both = parsed("--seed", "one", "--minutes", "0");
    expect(both).toContain('--seed must be a whole number, 0 or more, got "one"');
    expect(both).toContain('--minutes must be a whole number, 1 or more, got "0"');
    expect(both).toContain(usageOf(program));
  });

  it("refuses what it does not know", () => {
    expect(parsed("--sead", "1", "--minutes", "1")).toContain("--sead");
    expect(parsed("5")).toContain(usageOf(program));
  });
});
