/** `npm run simulate:soak`: fresh seeds for as long as it is told, until one fails. */
import { parseProgram } from "./cli/arguments.ts";
import { failureOf, gapsNote } from "./cli/report.ts";
import { shrink } from "./cli/shrink.ts";
import { simulate } from "./simulation.ts";

const PROGRESS_MS = 10_000;
/** Seeds of a soak begin somewhere else each second. */
const freshSeed = (): number => Math.floor(Date.now() / 1_000) * 1_000;

const program = {
  command: "npm run simulate:soak --",
  numbers: [
    { name: "minutes", meaning: "how long", least: 1, usual: 10 },
    { name: "seed", meaning: "the first seed; those after it follow", least: 0, usual: freshSeed() },
    { name: "steps", meaning: "acts and faults before peace", least: 0, usual: 300 },
  ],
  flags: [],
} as const;

async function soak(minutes: number, from: number, steps: number): Promise<number> {
  const startMs = performance.now();
  const untilMs = startMs + minutes * 60_000;
  let toldMs = startMs;
  let commits = 0;
  let seed = from;
  for (; performance.now() < untilMs; seed += 1) {
    const result = await simulate({ seed, steps });
    commits += result.counts.commits;
    if (result.violation) {
      console.log(failureOf(await shrink(result, { seed })));
      return 1;
    }
    const now = performance.now();
    if (now - toldMs < PROGRESS_MS) continue;
    toldMs = now;
    const seconds = (now - startMs) / 1_000;
    console.log(
      `${Math.round(seconds)} s: ${seed - from + 1} seeds clean, up to ${seed}; ${Math.round(commits / seconds)} commits/s`,
    );
  }
  console.log(`${seed - from} seeds clean, ${from} to ${seed - 1}, ${steps} steps each`);
  return 0;
}

async function main(): Promise<number> {
  const parsed = parseProgram(program, process.argv.slice(2));
  if (!parsed.ok) {
    console.error(parsed.message);
    return 2;
  }
  const { numbers } = parsed;
  const note = gapsNote();
  if (note !== "") console.log(note);
  return soak(numbers.get("minutes") ?? 1, numbers.get("seed") ?? 1, numbers.get("steps") ?? 0);
}

process.exitCode = await main();
