/** Limits as they were and are, a line each. */
import { bytes, count, milliseconds } from "./amounts.ts";
import { plainLine } from "./plain-text.ts";
import type { ReportLimits } from "./report.ts";
import type { Style } from "./style.ts";
import { tableLines } from "./table.ts";

export interface LimitsChange {
  readonly before: ReportLimits;
  readonly after: ReportLimits;
  /** The strategy in force; absent: the mesh did not tell. */
  readonly strategy?: StrategyShown | undefined;
}

export interface StrategyShown {
  readonly name: string;
  /** own, inherited or default. */
  readonly from: string;
  /** Path of the node that names it; empty where none does. */
  readonly path: string;
}

type Limit = keyof ReportLimits;

/** Shown where there is any, before or after. */
const PARTS: readonly (readonly [Limit, string, (amount: number) => string])[] = [
  ["priority_bonus", "  for HIGH and above", count],
  ["emergency_reserve", "  for CRITICAL and above", count],
  ["wrap_up_reserve", "  for the final step", count],
];

const SHOWN: readonly (readonly [Limit, string, (amount: number) => string])[] = [
  ["max_credits", "credits", count],
  ["max_tool_calls", "tool calls", count],
  ["max_concurrent_branches", "branches", count],
  ["max_memory_bytes", "memory", bytes],
  ["max_duration_ms", "duration", milliseconds],
];

/** What changed shows both values, the rest the one it has. */
export function limitsChangeLines(path: string, { before, after, strategy }: LimitsChange, style: Style): string[] {
  const parts = PARTS.filter(([part]) => (before[part] ?? 0) > 0 || (after[part] ?? 0) > 0);
  const rows = [...SHOWN.slice(0, 1), ...parts, ...SHOWN.slice(1)].map(([limit, name, show]) => {
    const text = (amount: number | undefined) => (amount === undefined ? "not limited" : show(amount));
    const [was, is] = [text(before[limit]), text(after[limit])];
    const changed = before[limit] !== after[limit];
    return [
      { text: name, paint: style.quiet },
      { text: changed ? `${was} → ${is}` : is, paint: changed ? style.strong : (same: string) => same },
    ];
  });
  const how = strategy && [
    { text: "strategy", paint: style.quiet },
    { text: strategyText(strategy), paint: (same: string) => same },
  ];
  return [style.strong(plainLine(path)), ...tableLines([{}, {}], how ? [...rows, how] : rows)];
}

function strategyText({ name, from, path }: StrategyShown): string {
  if (from === "inherited") return `${name} (inherited from ${plainLine(path)})`;
  return from === "default" ? `${name} (by default)` : name;
}
