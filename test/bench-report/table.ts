/** Rows as a table for people. */
import type { Row } from "./row.ts";

const HEADINGS = ["name", "unit", "value", "baseline", "ratio", "floor", "goal", "verdict"] as const;
/** Columns of figures, set flush right. */
const FIGURES = new Set<string>(["value", "baseline", "ratio", "floor", "goal"]);

/** The table, one line per row under a line of headings, without a line break at its end. */
export function tableOf(rows: readonly Row[]): string {
  const lines = [[...HEADINGS], ...rows.map(cellsOf)];
  const widths = HEADINGS.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const padded = (line: readonly string[]): string =>
    HEADINGS.map((heading, column) => {
      const [cell = "", width = 0] = [line[column], widths[column]];
      return FIGURES.has(heading) ? cell.padStart(width) : cell.padEnd(width);
    })
      .join("  ")
      .trimEnd();
  return lines.map(padded).join("\n");
}

function cellsOf(row: Row): string[] {
  const sign = row.better === "lower" ? "≤ " : "≥ ";
  // Beside a ratio, a bound of the value says so by its unit.
  const unit = row.bar_on === "value" && row.ratio !== null ? ` ${row.unit}` : "";
  const bound = (value: number | null): string => (value === null ? "" : sign + figure(value) + unit);
  return [
    row.name,
    row.unit,
    figure(row.value),
    figure(row.baseline),
    figure(row.ratio),
    row.floor === row.goal ? "" : bound(row.floor),
    bound(row.goal),
    verdictOf(row),
  ];
}

function verdictOf({ met, floor_met: atFloor }: Row): string {
  if (met === null) return "";
  if (met) return "met";
  return atFloor === true ? "floor met" : "NOT MET";
}

function figure(value: number | null): string {
  if (value === null) return "";
  return value.toLocaleString("en-US", { maximumSignificantDigits: 4 });
}
