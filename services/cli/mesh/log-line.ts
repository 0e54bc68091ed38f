/** A daemon's log line for a person: its JSON read into time, tier, level, message and the rest as name=value. */
import { plainLine } from "../view/plain-text.ts";
import type { Style } from "../view/style.ts";
import type { TierName } from "./mesh-file.ts";

export interface LogLine {
  /** Worth a person's attention: a warning or worse, or something that is not the log's own form, such as a crash. */
  readonly notable: boolean;
  /** False for what is not of the log's form. */
  readonly isLog: boolean;
  /** The message alone; empty when it is no log line. */
  readonly message: string;
  readonly text: string;
}

const WARN = 40;
const ERROR = 50;
/** What every line has and nobody needs to read. */
const COMMON = new Set(["level", "time", "msg", "pid", "hostname", "name", "tier", "instance", "service", "v"]);
const TIER_WIDTH = "coordination".length;

/** Reads one line of a daemon's stderr. A line that is no JSON object is shown as it is. */
export function readLogLine(tier: TierName, line: string, style: Style): LogLine {
  const prefix = tier.padEnd(TIER_WIDTH);
  const fields = parse(line);
  if (fields === undefined) {
    const text = `${style.quiet(prefix)}  ${plainLine(line)}`;
    return { notable: line.trim() !== "", isLog: false, message: "", text };
  }
  const level = typeof fields.level === "number" ? fields.level : 0;
  const paint = level >= ERROR ? style.red : level >= WARN ? style.warn : style.quiet;
  const rest = Object.entries(fields).filter(([name]) => !COMMON.has(name));
  const message = plainLine(typeof fields.msg === "string" ? fields.msg : "");
  const details = rest.map(([name, value]) => `${name}=${plainLine(shown(value))}`).join(" ");
  const parts = [
    style.quiet(timeOf(fields.time)),
    style.quiet(prefix),
    paint(levelName(level)),
    message,
    style.quiet(details),
  ];
  return { notable: level >= WARN, isLog: true, message, text: parts.filter((part) => part !== "").join("  ") };
}

function parse(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function levelName(level: number): string {
  if (level >= 60) return "FATAL";
  if (level >= ERROR) return "ERROR";
  if (level >= WARN) return "WARN ";
  return level >= 30 ? "info " : "debug";
}

/** Local time of day: the person looks at their own clock. */
function timeOf(time: unknown): string {
  const date = typeof time === "number" || typeof time === "string" ? new Date(time) : undefined;
  if (date === undefined || Number.isNaN(date.getTime())) return "";
  const two = (part: number): string => String(part).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function shown(value: unknown): string {
  if (typeof value === "string") return value;
  // pino writes an error as an object with its stack, which the log file keeps.
  if (typeof value === "object" && value !== null && "message" in value) return String(value.message);
  return JSON.stringify(value) ?? "";
}
