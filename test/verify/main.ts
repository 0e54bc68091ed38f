/**
 * `npm run verify`: everything a change must pass, cheapest first, stopping at the first stage that fails.
 * `-- --except NAME` leaves a stage out, `-- --only NAME` runs one; both may be repeated. Exit code 0 only when every stage that ran passed.
 */
import { parseArgs } from "node:util";
import { generatedIsCurrent } from "./generated.ts";
import { runTool, type Stage } from "./stage.ts";

const stages: readonly Stage[] = [
  { name: "types", run: () => runTool("tsc", ["-p", "."]) },
  { name: "lint", run: () => runTool("biome", ["ci", "."]) },
  { name: "contract", run: () => runTool("buf", ["lint"]) },
  { name: "generated", run: generatedIsCurrent },
  { name: "tidy", run: () => runTool("vitest", ["run", "test/tidy"]) },
  { name: "tests", run: () => runTool("vitest", ["run"]) },
];

function chosen(args: string[]): readonly Stage[] {
  const names = { type: "string", multiple: true, default: [] as string[] } as const;
  const { only, except } = parseArgs({ args, options: { only: names, except: names } }).values;
  const unknown = [...only, ...except].filter((name) => !stages.some((stage) => stage.name === name));
  if (unknown.length > 0) {
    throw new Error(`no stage named ${unknown.join(", ")}; there are: ${stages.map((stage) => stage.name).join(", ")}`);
  }
  return stages.filter(({ name }) => (only.length === 0 || only.includes(name)) && !except.includes(name));
}

function main(): number {
  let running: readonly Stage[];
  try {
    running = chosen(process.argv.slice(2));
  } catch (error) {
    console.error(`verify: ${error instanceof Error ? error.message : String(error)}`);
    return 2;
  }
  for (const { name, run } of running) {
    const startMs = performance.now();
    const passed = run();
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
    console.log(`verify: ${name.padEnd(10)} ${passed ? "passed" : "FAILED"} in ${seconds} s`);
    if (!passed) {
      console.error(`verify: stopped at ${name}; run it alone with "npm run verify -- --only ${name}"`);
      return 1;
    }
  }
  return 0;
}

process.exitCode = main();
