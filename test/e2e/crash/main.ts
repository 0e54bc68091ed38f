/** `npm run crash`: kills real daemons under load, round after round, and checks the books after each. Exit 1 when a round failed. */
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killAll } from "../mesh.ts";
import { CRASH_USAGE, parseCrashArguments } from "./arguments.ts";
import type { RoundReport } from "./round.ts";
import { linesOf, playSeries } from "./round-series.ts";

const DRAWN_SEEDS = 1_000_000;
const EXIT_USAGE = 2;
const EXIT_FAULT = 3;

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseCrashArguments(argv, randomInt(DRAWN_SEEDS));
  if (!parsed.ok) {
    process.stderr.write(`${parsed.problems.map((problem) => `crash: ${problem}`).join("\n")}\n\n${CRASH_USAGE}`);
    return EXIT_USAGE;
  }
  const { rounds, seed, help } = parsed.value;
  if (help) {
    process.stdout.write(CRASH_USAGE);
    return 0;
  }
  const folder = mkdtempSync(join(tmpdir(), "bursar-crash-"));
  let failedSoFar = 0;
  // Interrupted or not: only what failed is kept.
  process.once("exit", () => {
    if (failedSoFar === 0) rmSync(folder, { recursive: true, force: true });
  });
  const say = (lines: readonly string[]) => process.stdout.write(`${lines.join("\n")}\n`);
  const onReport = (report: RoundReport): void => {
    if (report.problems.length > 0) failedSoFar += 1;
    say(linesOf(report));
  };
  const failed = await playSeries({ rounds, seed, lanes: 1, folder, onReport });
  say([`${rounds} rounds, ${failed} failed`]);
  return failed === 0 ? 0 : 1;
}

// By way of exit, so that no daemon stays behind.
process.once("exit", killAll);
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`crash: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`);
  process.exitCode = EXIT_FAULT;
}
