/** Limits as they were and are, a line each. */
import { bytes, count, milliseconds } from "./amounts.ts";
import { plainLine } from "./plain-text.ts";
import type { ReportLimits } from "./report.ts";
import type { Style } from "./style.ts";
import { tableLines } from "./table.ts";

export interface LimitsChange {
  readonly before: ReportLimits;
  readonly after: ReportLimits;
}

type Limit = keyof ReportLimits;

const SHOWN: readonly (readonly [Limit, string, (amount: number) => string])[] = [
  ["max_credits", "credits", count],
  ["max_tool_calls", "tool calls", count],
  ["max_concurrent_branches", "branches", count],
  ["max_memory_bytes", "memory", bytes],
  ["max_duration_ms", "duration", milliseconds],
];

/** What changed shows both values, the rest the one it has. */
export function limitsChangeLines(path: string, { before, after }: LimitsChange, style: Style): string[] {
  const rows = SHOWN.map(([limit, name, show]) => {
    const text = (amount: number | undefined) => (amount === undefined ? "not limited" : show(amount));
    const [was, is] = [text(before[limit]), text(after[limit])];
    const changed = before[limit] !== after[limit];
    return [
      { text: name, paint: style.quiet },
      { text: changed ? `${was} → ${is}` : is, paint: changed ? style.strong : (same: string) => same },
    ];
  });
  return [style.strong(plainLine(path)), ...tableLines([{}, {}], rows)];
}
