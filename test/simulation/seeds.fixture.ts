/** Seeds as tests: each must keep every promise; what breaks one is told as a story. */
import { expect } from "vitest";
import { failureOf } from "./cli/report.ts";
import { simulate } from "./simulation.ts";

export const STEPS = 250;

/** Fails with the story of what happened when the seed breaks a promise. */
export async function expectClean(seed: number, steps: number = STEPS): Promise<void> {
  const result = await simulate({ seed, steps });
  expect(result.violation === undefined ? "clean" : failureOf(result)).toBe("clean");
}

/** Whole numbers from `from`, so many. */
export function numbersFrom(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => from + at);
}
