/** A tree of allocations as lines of text: names indented by lines, then what each has used of what it may. */
import { LIMITS } from "#std";
import { bar, count, percent } from "./amounts.ts";
import { noteOf, outcomePaint, placeText, stateText, wantsMoreText } from "./node-text.ts";
import { plainLine } from "./plain-text.ts";
import type { ReportNode, ReportWaiter } from "./report.ts";
import type { Canvas, Style } from "./style.ts";
import { type Cell, type Column, GAP, tableLines } from "./table.ts";

export interface TreeOptions extends Canvas {
  /** Shows every node. Default: LIMITS.shownClosedMax closed swarms or runs and LIMITS.shownBranchesMax branches of one parent. */
  readonly all?: boolean;
}

const COLUMNS: readonly Column[] = [{}, {}, {}, { align: "right" }, { align: "right" }, {}, { align: "right" }, {}];
const HEADINGS = ["NAME", "KIND", "STATE", "USED", "OF CREDITS"] as const;

interface Stem {
  /** What stands before the node's own name. */
  readonly own: string;
  /** What stands before everything below it. */
  readonly below: string;
}

/** The lines of one or more trees under a line of headings; without trees a single line that says so. */
export function treeLines(roots: readonly ReportNode[], options: TreeOptions): string[] {
  const { style } = options;
  if (roots.length === 0) return [style.quiet("nothing there yet")];
  const rows = roots.flatMap((root) => rowsOf(root, options, { stem: { own: "", below: "" } }));
  return tableLines(COLUMNS, cutNotes([HEADINGS.map((text) => ({ text, paint: style.quiet })), ...rows], options));
}

/** The shortest piece of a note that still says something. */
const NOTE_CHARS_MIN = 20;

/** Cuts the last cell of each row to what the canvas leaves for it. */
function cutNotes(rows: readonly Cell[][], { columns }: Canvas): Cell[][] {
  const noteAt = COLUMNS.length - 1;
  const widest = (index: number): number => rows.reduce((most, row) => Math.max(most, row[index]?.text.length ?? 0), 0);
  const before = COLUMNS.slice(0, noteAt).reduce(
    (total, _, index) => total + (widest(index) === 0 ? 0 : widest(index) + GAP),
    0,
  );
  const room = Math.max(NOTE_CHARS_MIN, columns - before);
  return rows.map((row) =>
    row.map((cell, index) =>
      index !== noteAt || cell.text.length <= room ? cell : { ...cell, text: `${cell.text.slice(0, room - 1)}…` },
    ),
  );
}

interface Standing {
  readonly stem: Stem;
  /** The node above it; absent at the top. */
  readonly parent?: ReportNode;
}

function rowsOf(node: ReportNode, options: TreeOptions, { stem, parent }: Standing): Cell[][] {
  const { shown, left } = shownChildren(node, options);
  const waiters = node.waiters?.filter(({ name }) => name !== "") ?? [];
  const lastIndex = shown.length + waiters.length + (left === "" ? 0 : 1) - 1;
  const children = shown.flatMap((child, index) =>
    rowsOf(child, options, { stem: stemBelow(stem, index === lastIndex), parent: node }),
  );
  const waiting = waiters.map((waiter, index) =>
    waiterRow(waiter, node, { stem: stemBelow(stem, shown.length + index === lastIndex).own, style: options.style }),
  );
  const rest = left === "" ? [] : [[{ text: `${stem.below}└─ … ${left}`, paint: options.style.quiet }]];
  return [rowOf(node, parent, { stem: stem.own, style: options.style }), ...children, ...waiting, ...rest];
}

function stemBelow({ below }: Stem, last: boolean): Stem {
  return { own: `${below}${last ? "└─ " : "├─ "}`, below: `${below}${last ? "   " : "│  "}` };
}

interface ShownChildren {
  readonly shown: readonly ReportNode[];
  /** What is left out, in words; empty when nothing is. */
  readonly left: string;
}

/** Leaves out what piles up: all but the latest closed swarms and runs, and all but the first of many branches. */
function shownChildren({ children }: ReportNode, { all = false }: TreeOptions): ShownChildren {
  if (all) return { shown: children, left: "" };
  const over = children.filter(({ kind, state }) => state === "closed" && (kind === "swarm" || kind === "run"));
  const before = over.slice(0, Math.max(0, over.length - LIMITS.shownClosedMax));
  const branches = children.filter(({ kind }) => kind === "branch").slice(LIMITS.shownBranchesMax);
  const hidden = new Set([...before, ...branches]);
  const left = [
    before.length === 0 ? "" : `${before.length} closed before`,
    branches.length === 0 ? "" : `${branches.length} more branches`,
  ];
  return { shown: children.filter((child) => !hidden.has(child)), left: left.filter((part) => part !== "").join(", ") };
}

interface Drawing {
  /** What stands before the name. */
  readonly stem: string;
  readonly style: Style;
}

function nameCell(name: string, { stem, style }: Drawing): Cell {
  return {
    text: `${stem}${name}`,
    paint: (text) => `${style.quiet(text.slice(0, stem.length))}${text.slice(stem.length)}`,
  };
}

/** What has not been opened yet, because it waits for its turn. */
function waiterRow(waiter: ReportWaiter, node: ReportNode, drawing: Drawing): Cell[] {
  const { quiet, warn } = drawing.style;
  return [
    nameCell(plainLine(waiter.name), drawing),
    { text: waiter.kind, paint: quiet },
    { text: placeText(waiter, node), paint: warn },
    { text: "" },
    { text: waiter.credits === 0 ? "" : count(waiter.credits) },
    { text: "" },
    { text: "" },
    { text: plainLine(waiter.place), paint: quiet },
  ];
}

/** What is to be said of it, and, where it waits for more, at what place. */
function notesOf(node: ReportNode, parent: ReportNode | undefined): string {
  const wanting = parent?.waiters?.filter(({ id, name }) => id === node.id && name === "") ?? [];
  const waits = wanting.map((waiter) => wantsMoreText(waiter, parent ?? {}));
  return [noteOf(node), ...waits].filter((note) => note !== "").join("; ");
}

function rowOf(node: ReportNode, parent: ReportNode | undefined, drawing: Drawing): Cell[] {
  const { usage, limits } = node;
  const { style } = drawing;
  const paint = outcomePaint(node.outcome, style);
  // A node without a limit of its own draws from above as it goes: there is nothing to measure it by.
  const limit = limits.max_credits;
  return [
    nameCell(node.name, drawing),
    { text: node.kind, paint: style.quiet },
    { text: stateText(node), paint },
    { text: count(usage.credits) },
    { text: limit === undefined ? "" : count(limit) },
    { text: bar(usage.credits, limit), paint },
    { text: percent(usage.credits, limit) },
    { text: notesOf(node, parent), paint: style.quiet },
  ];
}
