/** One node with everything that is known about it. */
import { bytes, count, countOf, milliseconds } from "./amounts.ts";
import { booksLines } from "./books-lines.ts";
import { noteOf, outcomePaint, stateText } from "./node-text.ts";
import type { ReportLimits, ReportNode, ReportUsage } from "./report.ts";
import type { Canvas } from "./style.ts";
import { tableLines } from "./table.ts";
import { treeLines } from "./tree-lines.ts";

export function nodeLines(node: ReportNode, canvas: Canvas): string[] {
  const { style } = canvas;
  const note = noteOf(node);
  const rows = [
    ["id", node.id],
    ["kind", node.kind],
    ["state", stateText(node)],
    ...(note === "" ? [] : [["why", note]]),
    ["may use", limitsText(node.limits)],
    ["has used", usageText(node.usage)],
  ].map(([name = "", text = ""]) => [
    { text: name, paint: style.quiet },
    { text, paint: name === "state" ? outcomePaint(node.outcome, style) : same },
  ]);
  return [
    style.strong(node.path),
    ...tableLines([{}, {}], rows),
    "",
    "Its books, in credits:",
    ...booksLines(node.books, style),
    ...(node.children.length === 0 && !node.waiters ? [] : ["", ...treeLines([node], canvas)]),
  ];
}

export function limitsText(limits: ReportLimits): string {
  const words = [
    limits.max_credits === undefined ? "" : countOf(limits.max_credits, "credit"),
    limits.max_tool_calls === undefined ? "" : countOf(limits.max_tool_calls, "tool call"),
    limits.max_concurrent_branches === undefined ? "" : `${count(limits.max_concurrent_branches)} slots for children`,
    limits.max_memory_bytes === undefined ? "" : bytes(limits.max_memory_bytes),
    limits.max_duration_ms === undefined ? "" : milliseconds(limits.max_duration_ms),
    limits.priority_bonus === 0 ? "" : `priority bonus ${count(limits.priority_bonus)}`,
    limits.emergency_reserve === 0 ? "" : `emergency reserve ${count(limits.emergency_reserve)}`,
    limits.wrap_up_reserve === 0 ? "" : `wrap-up reserve ${count(limits.wrap_up_reserve)}`,
  ];
  return listed(words, "what is above it allows");
}

export function usageText(usage: ReportUsage): string {
  const tools = Object.entries(usage.tools).map(([name, calls]) => `${name} ${count(calls)}`);
  const words = [
    countOf(usage.credits, "credit"),
    usage.tool_calls === 0 ? "" : countOf(usage.tool_calls, "tool call"),
    usage.overrun_credits === 0 ? "" : `${count(usage.overrun_credits)} of them beyond what was reserved`,
    usage.concurrent_branches_peak === 0 ? "" : `at most ${count(usage.concurrent_branches_peak)} slots at a time`,
    usage.memory_bytes_peak === 0 ? "" : `at most ${bytes(usage.memory_bytes_peak)} at a time`,
    usage.network_bytes === 0 ? "" : `${bytes(usage.network_bytes)} over the network`,
    usage.disk_bytes === 0 ? "" : `${bytes(usage.disk_bytes)} to and from disk`,
    usage.gpu_ms === 0 ? "" : `${milliseconds(usage.gpu_ms)} of GPU time`,
    tools.length === 0 ? "" : `calls: ${tools.join(", ")}`,
  ];
  return listed(words, "nothing");
}

function listed(words: readonly string[], nothing: string): string {
  const said = words.filter((word) => word !== "");
  return said.length === 0 ? nothing : said.join(", ");
}

function same(text: string): string {
  return text;
}
