/**
 * Reads a log of model calls line by line, as the public Azure LLM inference traces are written:
 * `TIMESTAMP,ContextTokens,GeneratedTokens`, one call a line. It streams: of a log of any size it holds one line and one chunk.
 */
import { LIMITS } from "#std";
import { type DocumentProblem, printable } from "./problem.ts";

/** One model call of the log. */
export interface TraceCall {
  readonly kind: "call";
  /** Line of the file, from 1; the header is line 1. */
  readonly line: number;
  /** When the call came, in whole milliseconds after the first call of the log; never less than the call before. */
  readonly atMs: number;
  readonly contextTokens: number;
  readonly generatedTokens: number;
}

/** A line that cannot be read. Reading goes on after it, except after a wrong header. */
export interface TraceProblem {
  readonly kind: "problem";
  readonly problem: DocumentProblem;
}

export interface TraceInput {
  /** Name of the file, for messages. */
  readonly file: string;
  /** The content in pieces of any size, as a file stream gives it. */
  readonly chunks: AsyncIterable<Uint8Array | string>;
}

const HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens";
const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)?$/;
const COUNT = /^\d{1,15}$/;

interface Line {
  readonly number: number;
  readonly text: string;
  /** True when the text is only the beginning of a line that is too long. */
  readonly cut: boolean;
}

/** Cuts a stream into lines. Of a line that is too long only the beginning is kept. */
async function* linesOf(chunks: TraceInput["chunks"]): AsyncGenerator<Line> {
  const decoder = new TextDecoder();
  let [number, started, cut] = [1, "", false];
  const take = (piece: string): void => {
    cut ||= started.length + piece.length > LIMITS.traceLineCharsMax;
    started += piece.slice(0, LIMITS.traceLineCharsMax - started.length);
  };
  for await (const chunk of chunks) {
    const text = typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
    let from = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", from)) {
      take(text.slice(from, end));
      yield { number, text: started, cut };
      [number, started, cut] = [number + 1, "", false];
      from = end + 1;
    }
    take(text.slice(from));
  }
  take(decoder.decode());
  if (started !== "") yield { number, text: started, cut };
}

/** Milliseconds since 1970, or undefined when `text` is no such time. Digits beyond the millisecond are dropped. */
function timeOf(text: string): number | undefined {
  const parts = TIMESTAMP.exec(text);
  if (parts === null) return undefined;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const wholeSecondMs = Date.UTC(year, month - 1, day, hour, minute, second);
  // A date that does not exist, such as the 31st of June, would quietly become another one.
  if (new Date(wholeSecondMs).toISOString().slice(0, 19) !== `${text.slice(0, 10)}T${text.slice(11, 19)}`)
    return undefined;
  return wholeSecondMs + Number((parts[7] ?? "0").slice(0, 3).padEnd(3, "0"));
}

/** What is wrong with a line: which field, where it starts, and what to do. */
interface Fault {
  readonly field: string;
  readonly column: number;
  readonly message: string;
}

function shown(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** The fields of a line, or every fault it has. `earliestMs`: the time of the call before it. */
function parseLine(
  line: Line,
  earliestMs: number,
): { timeMs: number; contextTokens: number; generatedTokens: number } | readonly Fault[] {
  const { text, cut } = line;
  if (cut) return [{ field: "", column: 1, message: `the line is longer than ${LIMITS.traceLineCharsMax} characters` }];
  const values = text.split(",");
  if (values.length !== 3) {
    return [
      { field: "", column: 1, message: `must have three values, ${HEADER}; got ${values.length} in ${shown(text)}` },
    ];
  }
  const [timestamp, context, generated] = values as [string, string, string];
  const timeMs = timeOf(timestamp);
  const faults: Fault[] = [];
  if (timeMs === undefined) {
    const message = `must be a time like 2023-11-16 18:17:03.9799600; got ${shown(timestamp)}`;
    faults.push({ field: "TIMESTAMP", column: 1, message });
  } else if (timeMs < earliestMs) {
    faults.push({ field: "TIMESTAMP", column: 1, message: "is earlier than the line before; sort the log by time" });
  }
  const counts = [
    { field: "ContextTokens", column: timestamp.length + 2, value: context },
    { field: "GeneratedTokens", column: timestamp.length + context.length + 3, value: generated },
  ];
  for (const { field, column, value } of counts) {
    if (COUNT.test(value)) continue;
    faults.push({ field, column, message: `must be a whole number of tokens, 0 or more; got ${shown(value)}` });
  }
  if (timeMs === undefined || faults.length > 0) return faults;
  return { timeMs, contextTokens: Number(context), generatedTokens: Number(generated) };
}

function isFaults<T extends object>(parsed: T | readonly Fault[]): parsed is readonly Fault[] {
  return Array.isArray(parsed);
}

/**
 * The calls of a log in order, with a problem for each fault of a line between them. Empty lines are passed over. After a wrong
 * header, or LIMITS.documentProblemsMax problems, reading ends. A fault of the stream itself is thrown as it comes.
 */
export async function* readTrace(input: TraceInput): AsyncGenerator<TraceCall | TraceProblem> {
  let problems = 0;
  const problemAt = (line: number, fault: Fault): TraceProblem => {
    const message = printable(fault.message);
    return { kind: "problem", problem: { file: input.file, line, column: fault.column, field: fault.field, message } };
  };
  let [firstMs, latestMs] = [Number.NaN, Number.NEGATIVE_INFINITY];
  let lastLine = 0;
  for await (const line of linesOf(input.chunks)) {
    lastLine = line.number;
    const text = line.text.replace(/^\uFEFF|\r$/g, "");
    if (line.number === 1) {
      if (text === HEADER) continue;
      yield problemAt(1, { field: "", column: 1, message: `the first line must be ${HEADER}; got ${shown(text)}` });
      return;
    }
    if (text === "") continue;
    const parsed = parseLine({ ...line, text }, latestMs);
    if (isFaults(parsed)) {
      for (const fault of parsed) yield problemAt(line.number, fault);
      problems += parsed.length;
      if (problems < LIMITS.documentProblemsMax) continue;
      yield problemAt(line.number, { field: "", column: 1, message: "too many problems; the rest is not read" });
      return;
    }
    latestMs = parsed.timeMs;
    if (Number.isNaN(firstMs)) firstMs = latestMs;
    const { contextTokens, generatedTokens } = parsed;
    yield { kind: "call", line: line.number, atMs: latestMs - firstMs, contextTokens, generatedTokens };
  }
  if (lastLine === 0)
    yield problemAt(1, { field: "", column: 1, message: `the file is empty; it must start with ${HEADER}` });
}
