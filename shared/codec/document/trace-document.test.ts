import { createReadStream, existsSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { LIMITS } from "#std";
import { modelCallCost } from "./price.ts";
import { formatProblems } from "./problem.ts";
import { readTrace, type TraceCall } from "./trace-document.ts";

const HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens";
const REAL_LOG = new URL("../../../../shared/data/azure-llm-inference-code-2023.csv", import.meta.url);

async function read(...chunks: (string | Uint8Array)[]): Promise<{ calls: TraceCall[]; problems: string[] }> {
  async function* stream(): AsyncGenerator<string | Uint8Array> {
    yield* chunks;
  }
  const calls: TraceCall[] = [];
  const problems: string[] = [];
  for await (const item of readTrace({ file: "t.csv", chunks: stream() })) {
    if (item.kind === "call") calls.push(item);
    else problems.push(formatProblems([item.problem]));
  }
  return { calls, problems };
}

const GOOD = `${HEADER}\r
2023-11-16 18:17:03.9799600,4808,10\r
2023-11-16 18:17:04.0319600,3180,8\r
\r
2023-11-17T00:00:00Z,0,27`;

const CALLS = [
  { kind: "call", line: 2, atMs: 0, contextTokens: 4808, generatedTokens: 10 },
  { kind: "call", line: 3, atMs: 52, contextTokens: 3180, generatedTokens: 8 },
  { kind: "call", line: 5, atMs: 20_576_021, contextTokens: 0, generatedTokens: 27 },
];

test("reads the same calls however the log is cut into pieces", async () => {
  const bytes = new TextEncoder().encode(`\uFEFF${GOOD}`);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 12 }), async (cuts) => {
      const ends = [...cuts.sort((left, right) => left - right), bytes.length];
      const pieces = ends.map((end, index) => bytes.slice(ends[index - 1] ?? 0, end));
      expect(await read(...pieces)).toEqual({ calls: CALLS, problems: [] });
    }),
  );
  expect(await read(GOOD)).toEqual({ calls: CALLS, problems: [] });
});

test("names every fault of every line and reads on", async () => {
  const { calls, problems } = await read(`${HEADER}
2023-11-16 18:17:03,1,2
2023-11-31 18:17:04,1,2
2023-11-16 18:17:04,-1,2.5
yesterday,,1e3
2023-11-16 18:17:04,1
2023-11-16 18:17:02,1,2
2023-11-16 18:17:04,"1",99999999999999999999
2023-11-16 18:17:05.5,3,4
`);
  expect(calls.map(({ line, atMs }) => [line, atMs])).toEqual([
    [2, 0],
    [9, 2_500],
  ]);
  expect(problems).toEqual([
    "t.csv:3:1  TIMESTAMP: must be a time like 2023-11-16 18:17:03.9799600; got 2023-11-31 18:17:04",
    "t.csv:4:21  ContextTokens: must be a whole number of tokens, 0 or more; got -1",
    "t.csv:4:24  GeneratedTokens: must be a whole number of tokens, 0 or more; got 2.5",
    "t.csv:5:1  TIMESTAMP: must be a time like 2023-11-16 18:17:03.9799600; got yesterday",
    "t.csv:5:11  ContextTokens: must be a whole number of tokens, 0 or more; got ",
    "t.csv:5:12  GeneratedTokens: must be a whole number of tokens, 0 or more; got 1e3",
    `t.csv:6:1  must have three values, ${HEADER}; got 2 in 2023-11-16 18:17:04,1`,
    "t.csv:7:1  TIMESTAMP: is earlier than the line before; sort the log by time",
    't.csv:8:21  ContextTokens: must be a whole number of tokens, 0 or more; got "1"',
    "t.csv:8:25  GeneratedTokens: must be a whole number of tokens, 0 or more; got 99999999999999999999",
  ]);
});

test("refuses another header and an empty file", async () => {
  expect(await read("time,in,out\n1,2,3\n")).toEqual({
    calls: [],
    problems: [`t.csv:1:1  the first line must be ${HEADER}; got time,in,out`],
  });
  expect(await read()).toEqual({ calls: [], problems: [`t.csv:1:1  the file is empty; it must start with ${HEADER}`] });
  expect(await read(HEADER)).toEqual({ calls: [], problems: [] });
});

test("holds no line beyond the bound, and gives up on a file that is something else", async () => {
  const endless = Array.from({ length: 50 }, () => "x".repeat(100_000));
  const { calls, problems } = await read(`${HEADER}\n`, ...endless, "\n2023-11-16 18:17:03,1,2\n");
  expect(problems).toEqual([`t.csv:2:1  the line is longer than ${LIMITS.traceLineCharsMax} characters`]);
  expect(calls).toHaveLength(1);
  const rubbish = await read(`${HEADER}\n${"\u001b\n".repeat(10_000)}`);
  expect(rubbish.problems).toHaveLength(LIMITS.documentProblemsMax + 1);
  expect(rubbish.problems[0]).toContain("got 1 in \\u{1b}");
  expect(rubbish.problems.at(-1)).toContain("too many problems; the rest is not read");
});

test("a fault of the stream itself is the reader's fault too", async () => {
  const broken = createReadStream(new URL("no-such-file.csv", import.meta.url));
  await expect(readTrace({ file: "t.csv", chunks: broken }).next()).rejects.toThrow("ENOENT");
});

test.skipIf(!existsSync(REAL_LOG))("reads a real log of 8,819 calls and prices it to the credit", async () => {
  const unit = (credits: number) => ({ numerator: credits, denominator: 1 });
  const price = { contextToken: unit(3), generatedToken: unit(15) };
  const totals = { calls: 0, contextTokens: 0, generatedTokens: 0, credits: 0 };
  for await (const item of readTrace({ file: "real", chunks: createReadStream(REAL_LOG) })) {
    if (item.kind === "problem") expect.fail(formatProblems([item.problem]));
    totals.calls += 1;
    totals.contextTokens += item.contextTokens;
    totals.generatedTokens += item.generatedTokens;
    totals.credits += modelCallCost(item, price);
  }
  expect(totals).toEqual({
    calls: 8_819,
    contextTokens: 18_059_974,
    generatedTokens: 245_896,
    credits: 57_868_362,
  });
});
