/** The books as the equation they are. */
import { count } from "./amounts.ts";
import { isBalanced, type ReportBooks } from "./report.ts";
import type { Style } from "./style.ts";
import { type Cell, tableLines } from "./table.ts";

/** The two sides of the equation under each other, whether it holds, and the overrun, which is part of spent. */
export function booksLines(books: ReportBooks, style: Style): string[] {
  const rows: Cell[][] = [
    term("  limit", books.limit),
    term("+ debt", books.debt),
    term("= available", books.available),
    term("+ reserved", books.reserved),
    term("+ unconfirmed", books.unconfirmed),
    term("+ granted", books.granted),
    term("+ in doubt", books.in_doubt),
    term("+ spent", books.spent),
  ];
  const verdict = isBalanced(books) ? style.good("✔ balanced") : style.red("✖ NOT balanced");
  const overrun = books.overrun === 0 ? "" : `, ${count(books.overrun)} of it beyond what was reserved`;
  return [...tableLines([{}, { align: "right" }], rows), `${verdict}${overrun}`];
}

function term(name: string, amount: number): Cell[] {
  return [{ text: name }, { text: count(amount) }];
}
