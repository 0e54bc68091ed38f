/**
 * Two checkouts in one run: each measures the same rows by its own `test/bench/main.ts`, by turns and in changing order, so that what the
 * machine does meanwhile falls on both. Easiest got with `git worktree add FOLDER COMMIT` and a link to this node_modules.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type ComparedRound, comparisonOf } from "../bench-report/compare.ts";
import type { Measured, Row } from "../bench-report/row.ts";
import { ROOT } from "../e2e/mesh.ts";
import { benchFolder } from "./swarm.ts";

const MAIN = "test/bench/main.ts";
/** The healthy path; of rows with the same value one is enough. */
const USUAL_ROWS = ["grants.over_batched", "meter", "chain"];

export interface AgainstOptions {
  /** The other checkout. */
  readonly folder: string;
  readonly rounds: number;
  /** As on the command line; empty: grants, meter and chain. */
  readonly only: readonly string[];
}

/** Value is that of this checkout, baseline that of the other. */
export async function againstRows(options: AgainstOptions): Promise<Measured[]> {
  const before = resolve(options.folder);
  for (const needed of [MAIN, "node_modules"]) {
    if (!existsSync(join(before, needed))) throw new Error(`${before} has no ${needed}, so it cannot be measured`);
  }
  const only = options.only.length === 0 ? USUAL_ROWS : options.only;
  const rounds: ComparedRound[] = [];
  while (rounds.length < options.rounds) {
    const thisFirst = rounds.length % 2 === 0;
    process.stderr.write(`round ${rounds.length + 1} of ${options.rounds}\n`);
    const first = await rowsOf(thisFirst ? ROOT : before, only);
    const second = await rowsOf(thisFirst ? before : ROOT, only);
    rounds.push(thisFirst ? { now: first, before: second } : { now: second, before: first });
  }
  return comparisonOf(rounds);
}

async function rowsOf(checkout: string, only: readonly string[]): Promise<Row[]> {
  const { folder, remove } = benchFolder();
  const json = join(folder, "rows.json");
  const args = [MAIN, "--json", json, ...only.flatMap((name) => ["--only", name])];
  const child = spawn(process.execPath, args, { cwd: checkout, stdio: ["ignore", "ignore", "inherit"] });
  try {
    await endWithUs(child);
    return JSON.parse(readFileSync(json, "utf8")) as Row[];
  } finally {
    remove();
  }
}

/** Resolves when it has ended well. It is ended, with the daemons it started, when this process ends before it. */
async function endWithUs(child: ChildProcess): Promise<void> {
  const end = (): void => void child.kill("SIGTERM");
  process.once("exit", end);
  const [code] = await once(child, "exit");
  process.off("exit", end);
  if (code !== 0) throw new Error(`the bench of ${child.spawnargs.join(" ")} ended with ${code}`);
}
