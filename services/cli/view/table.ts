/** Cells set in columns. Widths are those of the bare text; colour is put on afterwards and takes no room. */

export interface Cell {
  readonly text: string;
  readonly paint?: (text: string) => string;
}

export interface Column {
  readonly align?: "left" | "right";
}

/** Spaces between two columns. */
export const GAP = 2;

/** One line per row. A column is as wide as its widest cell; the last one is not padded. */
export function tableLines(columns: readonly Column[], rows: readonly (readonly Cell[])[]): string[] {
  const widths = columns.map((_, index) => rows.reduce((most, row) => Math.max(most, row[index]?.text.length ?? 0), 0));
  return rows.map((row) =>
    columns
      .map(({ align = "left" }, index) => {
        const { text, paint = same } = row[index] ?? { text: "" };
        const room = " ".repeat((widths[index] ?? 0) - text.length);
        return align === "right"
          ? `${room}${paint(text)}`
          : `${paint(text)}${index === columns.length - 1 ? "" : room}`;
      })
      .filter((_, index) => (widths[index] ?? 0) > 0)
      .join(" ".repeat(GAP))
      .trimEnd(),
  );
}

function same(text: string): string {
  return text;
}
