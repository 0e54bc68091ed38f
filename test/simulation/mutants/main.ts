/**
 * `npm run simulate:mutants`: proves that the simulation can fail. Each mutant is the real code with one line changed; it must be caught
 * within a bounded number of seeds. Exit code 1 when one survives.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseProgram } from "../cli/arguments.ts";
import { gapsNote } from "../cli/report.ts";
import { WorkingCopy } from "./copy.ts";
import { MUTANTS } from "./list.ts";
import { type Mutant, mutate } from "./mutant.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const AT_A_TIME = 2;

const program = {
  command: "npm run simulate:mutants --",
  numbers: [
    { name: "seeds", meaning: "seeds that a mutant has to survive", least: 1, usual: 60 },
    { name: "steps", meaning: "acts and faults of each seed", least: 1, usual: 250 },
    { name: "timeout", meaning: "seconds for one seed; a mutant that hangs is caught by that", least: 1, usual: 120 },
    { name: "from", meaning: "the first mutant of the list", least: 1, usual: 1 },
    { name: "to", meaning: "the last mutant of the list", least: 1, usual: MUTANTS.length },
  ],
  flags: [],
} as const;

interface Verdict {
  readonly mutant: Mutant;
  /** Undefined: it survived. */
  readonly caughtBy: string | undefined;
  readonly detail: string;
  readonly seconds: number;
}

interface Bounds {
  readonly seeds: number;
  readonly steps: number;
  readonly timeoutMs: number;
  readonly temper?: Mutant["temper"] | undefined;
}

/** Runs the seeds in a copy; what they print and how they end. */
function runSeeds(
  folder: string,
  { seeds, steps, timeoutMs, temper }: Bounds,
): Promise<{ code: number | null; out: string; err: string }> {
  const args = ["test/simulation/mutants/seeds.ts", "--seeds", String(seeds), "--steps", String(steps)];
  if (temper) args.push(`--${temper}`);
  const child = spawn(process.execPath, args, {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const hangs = () => child.kill("SIGKILL");
  let timer = setTimeout(hangs, timeoutMs);
  let out = "";
  let err = "";
  child.stdout.on("data", (text) => {
    out += text;
    clearTimeout(timer);
    timer = setTimeout(hangs, timeoutMs);
  });
  child.stderr.on("data", (text) => {
    err = (err + text).slice(-2_000);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, out, err });
    });
  });
}

async function judge(copy: WorkingCopy, mutant: Mutant, bounds: Bounds): Promise<Verdict> {
  const startMs = performance.now();
  const { code, out, err } = await copy.with(
    mutant.file,
    (text) => mutate(text, mutant),
    () => runSeeds(copy.folder, { ...bounds, temper: mutant.temper }),
  );
  const seconds = Math.round((performance.now() - startMs) / 1_000);
  if (code === 0) return { mutant, caughtBy: undefined, detail: "", seconds };
  if (code === null) return { mutant, caughtBy: "A9.hang", detail: "it did not come to an end", seconds };
  try {
    const { seed, check, message } = JSON.parse(out.trim().split("\n").at(-1) ?? "");
    return { mutant, caughtBy: check, detail: `seed ${seed}: ${message.split("\n")[0]}`, seconds };
  } catch {
    return { mutant, caughtBy: "crash", detail: err.trim().split("\n").slice(-3).join(" | "), seconds };
  }
}

function tell({ mutant, caughtBy, detail, seconds }: Verdict): void {
  const verdict = caughtBy === undefined ? "SURVIVED" : `caught by ${caughtBy}`;
  console.log(
    `${mutant.name.padEnd(36)} ${verdict.padEnd(28)} ${String(seconds).padStart(4)} s  ${(detail || mutant.breaks).slice(0, 150)}`,
  );
}

/** Judges the mutants, some side by side; what is unchanged must be clean before. */
async function judgeAll(mutants: readonly Mutant[], bounds: Bounds): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  const left = [...mutants];
  const work = async (): Promise<void> => {
    const copy = new WorkingCopy(ROOT);
    try {
      for (let mutant = left.shift(); mutant; mutant = left.shift()) {
        const verdict = await judge(copy, mutant, bounds);
        verdicts.push(verdict);
        tell(verdict);
      }
    } finally {
      copy.remove();
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return verdicts;
}

async function main(): Promise<number> {
  const parsed = parseProgram(program, process.argv.slice(2));
  if (!parsed.ok) {
    console.error(parsed.message);
    return 2;
  }
  const number = (name: string) => parsed.numbers.get(name) ?? 1;
  const bounds = { seeds: number("seeds"), steps: number("steps"), timeoutMs: number("timeout") * 1_000 };
  const note = gapsNote();
  if (note !== "") console.log(note);
  const unchanged = await runSeeds(ROOT, { ...bounds, seeds: Math.min(bounds.seeds, 10) });
  if (unchanged.code !== 0) {
    console.log(`the code as it is does not pass, so nothing can be said of mutants: ${unchanged.out}${unchanged.err}`);
    return 1;
  }
  const verdicts = await judgeAll(MUTANTS.slice(number("from") - 1, number("to")), bounds);
  const survived = verdicts.filter(({ caughtBy }) => caughtBy === undefined);
  console.log(`${verdicts.length} mutants: ${verdicts.length - survived.length} caught, ${survived.length} survived`);
  return survived.length === 0 ? 0 : 1;
}

process.exitCode = await main();
