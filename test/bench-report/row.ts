/**
 * A row of the benches: a measured value, the bare thing beside it, and how both stand to the bar. Where there is a bare thing the bar
 * is on the ratio unless it says otherwise, without one it is on the value.
 */

/** A bar: how good the ratio (or the value) has to be. */
export interface Bar {
  readonly better: "higher" | "lower";
  /** What it is on; absent: the ratio where there is a bare thing, the value where there is none. */
  readonly on?: "ratio" | "value";
  readonly goal: number;
  /** What this version has to reach on its way to the goal; absent: the goal itself. */
  readonly floor?: number;
}

export interface Measured {
  readonly name: string;
  /** Unit of value and baseline. */
  readonly unit: string;
  readonly value: number;
  /** The bare thing, measured in the same run. */
  readonly baseline?: number;
  /** Absent for a row that only informs. */
  readonly bar?: Bar;
}

/** As it is printed and written as JSON. What a row does not have is null. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly baseline: number | null;
  /** value ÷ baseline */
  readonly ratio: number | null;
  readonly goal: number | null;
  /** Whether the goal is met. */
  readonly met: boolean | null;
  readonly better: "higher" | "lower" | null;
  /** What goal and floor are bounds of. */
  readonly bar_on: "ratio" | "value" | null;
  readonly floor: number | null;
  readonly floor_met: boolean | null;
}

export function rowOf({ name, unit, value, baseline, bar }: Measured): Row {
  const ratio = baseline === undefined ? null : rounded(value / baseline);
  const on = bar?.on ?? (ratio === null ? "value" : "ratio");
  const judged = on === "ratio" && ratio !== null ? ratio : value;
  const reaches = (bound: number): boolean => (bar?.better === "lower" ? judged <= bound : judged >= bound);
  const floor = bar && (bar.floor ?? bar.goal);
  return {
    name,
    unit,
    value: rounded(value),
    baseline: baseline === undefined ? null : rounded(baseline),
    ratio,
    goal: bar?.goal ?? null,
    met: bar ? reaches(bar.goal) : null,
    better: bar?.better ?? null,
    bar_on: bar ? on : null,
    floor: floor ?? null,
    floor_met: floor === undefined ? null : reaches(floor),
  };
}

/** Four digits are more than a bench can tell. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
