/** What the workers do: the calls of a real request log where there is one, and calls of any size. */
import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { modelCallCost, readTrace } from "#codec";
import { LIMITS, type Prng } from "#std";
import { ROOT } from "../mesh.ts";
import type { PlannedCall } from "./worker.ts";

/** A real request log beside the repository; rounds without it replay calls of the same size. */
const REAL_LOG = join(ROOT, "../shared/data/azure-llm-inference-code-2023.csv");
const CALLS_READ_MAX = 4_000;
/** Longer than the time to live of a worker's hold. */
const LONGER_THAN_HOLDS_MS = 2_500;
const PRICE = { contextToken: { numerator: 3, denominator: 1 }, generatedToken: { numerator: 15, denominator: 1 } };

type Tokens = { readonly contextTokens: number; readonly generatedTokens: number };

let realCalls: Promise<readonly Tokens[]> | undefined;

async function readRealLog(): Promise<readonly Tokens[]> {
  const calls: Tokens[] = [];
  if (!existsSync(REAL_LOG)) return calls;
  for await (const entry of readTrace({ file: REAL_LOG, chunks: createReadStream(REAL_LOG) })) {
    if (entry.kind === "call") calls.push(entry);
    if (calls.length === CALLS_READ_MAX) break;
  }
  return calls;
}

/** The calls of the log in order, priced as `bursar replay` does it; shared by all workers that take from the same iterator. */
export async function replayedCalls(prng: Prng): Promise<Iterator<PlannedCall>> {
  realCalls ??= readRealLog();
  return replay(await realCalls, prng);
}

function* replay(calls: readonly Tokens[], prng: Prng): Generator<PlannedCall> {
  for (let at = 0; ; at += 1) {
    const call = calls[at % Math.max(1, calls.length)] ?? {
      contextTokens: 1 + prng.below(7_000),
      generatedTokens: 1 + prng.below(100),
    };
    const worst = { ...call, generatedTokens: LIMITS.replayGeneratedTokensMax };
    const wanted = { credits: modelCallCost(worst, PRICE), toolCalls: 0 };
    const cost = { credits: modelCallCost(call, PRICE), toolCalls: 0 };
    yield { wanted, min: wanted, cost, durationMs: 0 };
  }
}

/** Most calls are quick, some take their time, and a few take longer than their hold lives. */
function durationOf(prng: Prng): number {
  const kind = prng.below(200);
  if (kind === 0) return LONGER_THAN_HOLDS_MS;
  return kind < 40 ? prng.below(80) : 0;
}

/** Small calls of any kind: with and without tools, clamped and not, quick and slow. */
export function* anyCalls(prng: Prng, count: number): Generator<PlannedCall> {
  for (let made = 0; made < count; made += 1) {
    const credits = 10 + prng.below(190);
    const toolCalls = prng.below(2);
    const wanted = { credits, toolCalls };
    const min = { credits: prng.below(3) === 0 ? 1 + prng.below(credits) : credits, toolCalls };
    const cost = { credits: prng.below(credits + 1), toolCalls: toolCalls === 0 ? 0 : prng.below(2) };
    yield { wanted, min, cost, durationMs: durationOf(prng) };
  }
}
