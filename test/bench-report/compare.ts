/** How two checkouts stand to each other: rows that were measured in both, by turns, as rows of their own. */
import type { Measured, Row } from "./row.ts";
import { median } from "./statistics.ts";

/** What a change may cost: the healthy path stays within 5 %. */
const GOAL = { higher: 0.95, lower: 1.05 } as const;

/** The rows of one round in both checkouts. */
export interface ComparedRound {
  readonly now: readonly Row[];
  readonly before: readonly Row[];
}

/** Per row that both have, the medians over the rounds: value is that of now, baseline that of before. */
export function comparisonOf(rounds: readonly ComparedRound[]): Measured[] {
  const [first] = rounds;
  if (first === undefined) return [];
  return first.now.flatMap(({ name, unit, better }) => {
    const valuesOf = (rows: keyof ComparedRound): number[] =>
      rounds.flatMap((round) => round[rows].filter((row) => row.name === name).map(({ value }) => value));
    const [now, before] = [valuesOf("now"), valuesOf("before")];
    if (before.length === 0) return [];
    const bar = better === null ? {} : { bar: { better, goal: GOAL[better] } };
    return [{ name, unit, value: median(now), baseline: median(before), ...bar }];
  });
}
