/** `npm run simulate`: one seed, told in full. Exit code 1 when a promise is broken, 2 for a wrong command line. */
import { parseProgram } from "./cli/arguments.ts";
import { failureOf, gapsNote, summaryOf } from "./cli/report.ts";
import { shrink } from "./cli/shrink.ts";
import { simulate } from "./simulation.ts";

const program = {
  command: "npm run simulate --",
  numbers: [
    { name: "seed", meaning: "what decides everything", least: 0, usual: 1 },
    { name: "steps", meaning: "acts and faults before peace", least: 0, usual: 300 },
    { name: "lines", meaning: "lines of the story of a failure", least: 1, usual: 40 },
  ],
  flags: [
    { name: "fair", meaning: "nothing goes wrong" },
    { name: "as-is", meaning: "do not look for fewer steps that fail as well" },
  ],
} as const;

async function main(): Promise<number> {
  const parsed = parseProgram(program, process.argv.slice(2));
  if (!parsed.ok) {
    console.error(parsed.message);
    return 2;
  }
  const { numbers, flags } = parsed;
  const options = {
    seed: numbers.get("seed") ?? 1,
    steps: numbers.get("steps") ?? 0,
    fair: flags.has("fair"),
    storyLines: numbers.get("lines") ?? 40,
  };
  const startMs = performance.now();
  const result = await simulate(options);
  console.log(summaryOf(result, performance.now() - startMs));
  const note = gapsNote();
  if (note !== "") console.log(note);
  if (!result.violation) return 0;
  console.log(failureOf(flags.has("as-is") ? result : await shrink(result, options)));
  return 1;
}

process.exitCode = await main();
