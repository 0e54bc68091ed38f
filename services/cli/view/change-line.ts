/** A node that changed, in one line: for a watched tree that is written to a file or a pipe. */
import { count, percent } from "./amounts.ts";
import { noteOf, placeText, stateText } from "./node-text.ts";
import { plainLine } from "./plain-text.ts";
import type { ReportNode } from "./report.ts";

export function changeLine(node: ReportNode): string {
  const { path, usage, limits } = node;
  const limit = limits.max_credits;
  const of = limit === undefined ? "" : ` of ${count(limit)} (${percent(usage.credits, limit)})`;
  const waiters = node.waiters?.filter(({ name }) => name !== "") ?? [];
  const waits = waiters.map((waiter) => `${plainLine(waiter.name)} ${placeText(waiter, node)}`);
  const note = [noteOf(node), ...waits].filter((one) => one !== "").join("; ");
  return `${path}  ${stateText(node)}  ${count(usage.credits)}${of}${note === "" ? "" : `  ${note}`}`;
}
