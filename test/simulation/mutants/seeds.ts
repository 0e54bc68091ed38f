/** Runs seeds until one fails, and says by which check: the program that the runner starts in a mutated copy. */
import { parseProgram } from "../cli/arguments.ts";
import { simulate } from "../simulation.ts";

const program = {
  command: "node test/simulation/mutants/seeds.ts",
  numbers: [
    { name: "seed", meaning: "the first seed", least: 0, usual: 1 },
    { name: "seeds", meaning: "how many", least: 1, usual: 30 },
    { name: "steps", meaning: "acts and faults before peace", least: 0, usual: 250 },
  ],
  flags: [
    { name: "contended", meaning: "only worlds in which there is little for many" },
    { name: "named", meaning: "only worlds in which most runs want names" },
    { name: "stormy", meaning: "only worlds in which daemons come and go while messages are late" },
  ],
} as const;

async function main(): Promise<number> {
  const parsed = parseProgram(program, process.argv.slice(2));
  if (!parsed.ok) {
    console.error(parsed.message);
    return 2;
  }
  const { numbers, flags } = parsed;
  const [temper] = (["contended", "stormy", "named"] as const).filter((name) => flags.has(name));
  const from = numbers.get("seed") ?? 1;
  const count = numbers.get("seeds") ?? 1;
  for (let seed = from; seed < from + count; seed += 1) {
    const { violation } = await simulate({ seed, steps: numbers.get("steps") ?? 0, ...(temper && { temper }) });
    if (!violation) {
      console.log(`seed ${seed} clean`);
      continue;
    }
    console.log(JSON.stringify({ seed, check: violation.check, message: violation.message.slice(0, 300) }));
    return 1;
  }
  return 0;
}

process.exitCode = await main();
