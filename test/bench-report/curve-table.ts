/** Rows of one measure at growing sizes, `group.curve.SIZE`, as a table: one line per curve, one column per size. */
import type { Row } from "./row.ts";

/** The curves in the order of their first rows; empty when there is none. `prefix`: what the names of all of them begin with. */
export function curveTableOf(rows: readonly Row[], prefix: string): string {
  const curves = new Map<string, Map<number, Row>>();
  for (const row of rows) {
    const place = /^(.+)\.(\d+)$/.exec(row.name);
    if (!place || !row.name.startsWith(prefix)) continue;
    const [, name = "", size = ""] = place;
    const points = curves.get(name) ?? new Map<number, Row>();
    curves.set(name, points.set(Number(size), row));
  }
  if (curves.size === 0) return "";
  const sizes = [...new Set([...curves.values()].flatMap((points) => [...points.keys()]))].sort((a, b) => a - b);
  const [first] = rows;
  const lines = [[`${prefix}… (${first?.unit ?? ""})`, ...sizes.map((size) => size.toLocaleString("en-US"))]];
  for (const [name, points] of curves) {
    lines.push([name.slice(prefix.length), ...sizes.map((size) => figureOf(points.get(size)))]);
  }
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const padded = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  return lines.map((line) => line.map(padded).join("  ")).join("\n");
}

/** What it is, and in brackets how it stands to the smallest size. */
function figureOf(row: Row | undefined): string {
  if (!row) return "";
  const value = row.value.toLocaleString("en-US", { maximumSignificantDigits: 3 });
  return row.ratio === null ? value : `${value} (${row.ratio.toFixed(1)})`;
}
