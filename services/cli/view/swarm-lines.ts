/** Swarms, one a line. */
import { bar, count, percent } from "./amounts.ts";
import { stateText } from "./node-text.ts";
import type { ReportNode } from "./report.ts";
import type { Style } from "./style.ts";
import { type Cell, type Column, tableLines } from "./table.ts";

const COLUMNS: readonly Column[] = [{}, {}, { align: "right" }, { align: "right" }, {}, { align: "right" }, {}];
const HEADINGS = ["SWARM", "STATE", "USED", "OF CREDITS", "", "", "ID"];

export function swarmLines(swarms: readonly ReportNode[], style: Style): string[] {
  if (swarms.length === 0) return [style.quiet("no swarms are known")];
  const rows = swarms.map((swarm): Cell[] => {
    const { usage, limits } = swarm;
    const limit = limits.max_credits;
    return [
      { text: swarm.path, paint: style.strong },
      { text: stateText(swarm) },
      { text: count(usage.credits) },
      { text: limit === undefined ? "" : count(limit) },
      { text: bar(usage.credits, limit) },
      { text: percent(usage.credits, limit) },
      { text: swarm.id, paint: style.quiet },
    ];
  });
  return tableLines(COLUMNS, [HEADINGS.map((text) => ({ text, paint: style.quiet })), ...rows]);
}
