/** Seeds as tests: each must keep every promise; what breaks one is told as a story. */
import { expect } from "vitest";
import { failureOf } from "./cli/report.ts";
import { simulate } from "./simulation.ts";
import type { Temper } from "./world/temper.ts";

export const STEPS = 250;

/** Fails with the story of what happened when the seed breaks a promise. `temper`: of the world; default: as the seed draws it. */
export async function expectClean(seed: number, temper?: Temper): Promise<void> {
  const result = await simulate({ seed, steps: STEPS, ...(temper && { temper }) });
  expect(result.violation === undefined ? "clean" : failureOf(result)).toBe("clean");
}

/** Whole numbers from `from`, so many. */
export function numbersFrom(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => from + at);
}
