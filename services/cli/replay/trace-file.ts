/** The request log that is replayed: read once to the end before anything starts, then once more to be played. */
import { createReadStream } from "node:fs";
import { type DocumentProblem, type ModelPrice, modelCallCost, readTrace, type TraceCall } from "#codec";
import { LIMITS } from "#std";
import { badDocument, badFile, isSystemError } from "../documents.ts";

export interface TraceSummary {
  readonly calls: number;
  /** What all calls may cost at worst, in credits; at most LIMITS.amountMax. */
  readonly worstCredits: number;
}

/** What a call may cost at worst: its context, and as many generated tokens as a model may make. */
export function worstCost({ contextTokens }: TraceCall, price: ModelPrice): number {
  return modelCallCost({ contextTokens, generatedTokens: LIMITS.replayGeneratedTokensMax }, price);
}

/** Checks the whole log. Throws CommandError with every problem and its line. */
export async function surveyTrace(file: string, price: ModelPrice): Promise<TraceSummary> {
  const problems: DocumentProblem[] = [];
  let [calls, worst] = [0, 0n];
  for await (const entry of entriesOf(file)) {
    if (entry.kind === "problem") problems.push(entry.problem);
    else [calls, worst] = [calls + 1, worst + BigInt(worstCost(entry, price))];
  }
  if (problems.length > 0) throw badDocument(file, problems);
  if (calls === 0) {
    throw badDocument(file, [
      { file, line: 1, column: 1, field: "", message: "the log has no calls after its heading" },
    ]);
  }
  const most = BigInt(LIMITS.amountMax);
  return { calls, worstCredits: Number(worst > most ? most : worst) };
}

/** The calls of a log that was surveyed before; one that has changed since is refused. */
export async function* traceCalls(file: string): AsyncGenerator<TraceCall> {
  for await (const entry of entriesOf(file)) {
    if (entry.kind === "problem") throw badDocument(file, [entry.problem]);
    yield entry;
  }
}

async function* entriesOf(file: string) {
  try {
    yield* readTrace({ file, chunks: createReadStream(file) });
  } catch (cause) {
    throw isSystemError(cause) ? badFile("read", file, cause) : cause;
  }
}
