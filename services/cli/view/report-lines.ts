/** The report as a person reads it. */
import { count, countOf } from "./amounts.ts";
import { booksLines } from "./books-lines.ts";
import { outcomeMark, outcomePaint } from "./node-text.ts";
import type { Report, ReportCalls } from "./report.ts";
import type { Canvas } from "./style.ts";
import { treeLines } from "./tree-lines.ts";

export function reportLines(report: Report, canvas: Canvas): string[] {
  const { style } = canvas;
  const { swarm, outcome, books, tree, calls } = report;
  const limit = tree.limits.max_credits;
  const paint = outcomePaint(outcome, style);
  return [
    `${paint(`${outcomeMark(outcome)} ${swarm.path} ${outcome}`)}: ${countOf(tree.usage.credits, "credit")} used${limit === undefined ? "" : ` of ${count(limit)}`}`,
    "",
    ...treeLines([tree], canvas),
    "",
    ...(calls === undefined ? [] : [...callsLines(calls), ""]),
    `The books of ${swarm.name}, in credits:`,
    ...booksLines(books, style),
    ...(report.balanced
      ? []
      : [style.red("✖ the books do not balance everywhere in the tree: please report this as a fault of Bursar")]),
  ];
}

function callsLines({ made, settled, refused, stopped_at_line: stoppedAtLine }: ReportCalls): string[] {
  const line = `${countOf(made, "call")} made, ${count(settled)} settled, ${count(refused)} refused`;
  return [stoppedAtLine === null ? line : `${line}; intake stopped at line ${count(stoppedAtLine)} of the log`];
}
