import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { MUTANTS } from "./list.ts";
import { mutate } from "./mutant.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

describe("the mutants", () => {
  it("are many, and each has its own name", () => {
    expect(MUTANTS.length).toBeGreaterThanOrEqual(25);
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  });

  it.each(MUTANTS)("$name: what it changes stands in the code exactly once", (mutant) => {
    const text = readFileSync(`${ROOT}${mutant.file}`, "utf8");
    expect(mutate(text, mutant)).not.toBe(text);
  });
});
