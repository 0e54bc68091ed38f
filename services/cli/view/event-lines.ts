/** What happens in a run, a line or a few for each event. */
import type { LowBudget } from "#gen/bursar/v1/allocation_pb.js";
import type { ExecutionError } from "#gen/bursar/v1/errors_pb.js";
import { type RunEvent, type StepFinished, type StepOutput, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import { LIMITS, unreachable } from "#std";
import { count, countOf, milliseconds } from "./amounts.ts";
import { outcomeMark, outcomePaint } from "./node-text.ts";
import { plainLine, plainText } from "./plain-text.ts";
import type { Style } from "./style.ts";

/** What an event is shown against: when the run began, and what has begun in it. */
export interface RunView {
  readonly style: Style;
  /** Wall time of the run's first event. */
  readonly beganAtMs: number;
  /** Path of the run; steps are named by what comes after it. */
  readonly runPath: string;
  /** Wall time at which a step began, by its path. */
  readonly stepBeganAtMs: ReadonlyMap<string, number>;
}

const OUTCOMES: Readonly<Record<WorkOutcome, string>> = {
  [WorkOutcome.UNSPECIFIED]: "ended",
  [WorkOutcome.SUCCEEDED]: "succeeded",
  [WorkOutcome.FAILED]: "failed",
  [WorkOutcome.STOPPED]: "stopped",
  [WorkOutcome.SKIPPED]: "skipped",
};

/** The name of an outcome: succeeded, failed, stopped, skipped. */
export function outcomeName(outcome: WorkOutcome): string {
  return OUTCOMES[outcome] ?? "ended";
}

export function eventLines({ wallTimeMs, event }: RunEvent, view: RunView): string[] {
  const at = view.style.quiet(elapsed(Number(wallTimeMs) - view.beganAtMs));
  const [first, ...rest] = wordsOf(event, Number(wallTimeMs), view);
  return first === undefined ? [] : [`${at}  ${first}`, ...rest.map((line) => `${" ".repeat(10)}${line}`)];
}

/** Seconds since the run began, as wide as they need to be for a quarter of an hour. */
function elapsed(ms: number): string {
  return `${(Math.max(0, ms) / 1_000).toFixed(2)}s`.padStart(8);
}

function wordsOf(event: RunEvent["event"], wallMs: number, view: RunView): string[] {
  const { style } = view;
  switch (event.case) {
    case "queued": {
      const { position = 0, expectedWaitMs = 0 } = event.value.conflict ?? {};
      const { reason } = event.value;
      const about = expectedWaitMs === 0 ? "" : `, about ${milliseconds(expectedWaitMs)}`;
      const place = `${style.warn("waits for room")}: place ${position}${about}`;
      return reason === "" ? [place] : [place, plainLine(reason)];
    }
    case "started": {
      const { run } = event.value;
      const credits = run?.limits?.maxCredits;
      return [
        `▶ ${style.strong(run?.name ?? "run")} started${credits === undefined ? "" : ` with ${count(credits)} credits`}`,
      ];
    }
    case "stepStarted":
      return [`▶ ${nameIn(view, event.value.path)}`];
    case "workerReady": {
      const { address, allocationId, token, kind, path } = event.value;
      return [
        `◆ ${nameIn(view, path)} waits for a worker${kind === "" ? "" : ` of kind ${plainLine(kind)}`}; attach it to MeterService with`,
        `address ${address}  allocation ${allocationId}  token ${token}`,
      ];
    }
    case "stepFinished":
      return finishedWords(event.value, wallMs, view);
    case "finished": {
      const { outcome, error, run } = event.value;
      const name = outcomeName(outcome);
      const paint = outcomePaint(name, style);
      return [`${paint(`${outcomeMark(name)} ${run?.name ?? "run"} ${name}`)}${why(error)}`];
    }
    case "preempted": {
      const { reason, usage, nextAttempt } = event.value;
      const spent = countOf(Number(usage?.credits ?? 0), "credit");
      return [
        `${style.warn("gave way to more important work")} (${plainLine(reason)}); ${spent} spent, attempt ${nextAttempt} waits`,
      ];
    }
    case "lowBudget":
      return [style.warn(lowBudgetText(event.value))];
    case undefined:
      return [];
    default:
      return unreachable(event);
  }
}

const RESOURCE_NAMES: Readonly<Record<string, string>> = { credits: "credits", tool_calls: "tool calls" };

/** "80% of the 1,000 credits of g/demo/s are used, 120 are free". */
function lowBudgetText({ path, resource, percent, available, limit }: LowBudget): string {
  const of = `${count(limit)} ${RESOURCE_NAMES[resource] ?? plainLine(resource)} of ${plainLine(path)}`;
  return `! ${percent}% of the ${of} are used, ${count(available)} are free`;
}

function finishedWords(event: StepFinished, wallMs: number, view: RunView): string[] {
  const { path, outcome, error, exitCode, output, usage } = event;
  const { style } = view;
  const name = outcomeName(outcome);
  const paint = outcomePaint(name, style);
  const began = view.stepBeganAtMs.get(path);
  // Branches and parallel steps only gather what is in them: their own end is worth a line when it is not a good one.
  if (began === undefined && name === "succeeded") return [];
  const facts = [
    usage === undefined ? "" : countOf(Number(usage.credits), "credit"),
    began === undefined ? "" : milliseconds(Math.max(0, wallMs - began)),
    exitCode === undefined || exitCode === 0 ? "" : `exit code ${exitCode}`,
  ].filter((fact) => fact !== "");
  const ended = `${paint(`${outcomeMark(name)} ${nameIn(view, path)}`)}${name === "succeeded" ? "" : ` ${name}`}`;
  const first = `${ended}${facts.length === 0 ? "" : style.quiet(` (${facts.join(", ")})`)}${why(error)}`;
  return [first, ...outputLines(name, output).map(style.quiet)];
}

/** Of what went well what it said; of what failed what it complained about; of what was stopped its last words. */
function outputLines(outcome: string, output: StepOutput | undefined): string[] {
  if (output === undefined) return [];
  const max = LIMITS.shownOutputLinesMax;
  if (outcome === "succeeded") {
    const lines = linesOf(output.stdout);
    return lines.length <= max ? lines : [...lines.slice(0, max - 1), `… ${lines.length - max + 1} more lines`];
  }
  if (outcome === "failed") return linesOf(output.stderr.length > 0 ? output.stderr : output.stdout).slice(-max);
  return linesOf(output.stdout).slice(-1);
}

function linesOf(bytes: Uint8Array): string[] {
  const text = new TextDecoder().decode(bytes);
  return plainText(text)
    .split("\n")
    .filter((line) => line.trim() !== "");
}

function nameIn({ runPath }: RunView, path: string): string {
  return plainLine(path.startsWith(`${runPath}/`) ? path.slice(runPath.length + 1) : path);
}

function why(error: ExecutionError | undefined): string {
  return error === undefined ? "" : `: ${plainLine(error.message)}`;
}
