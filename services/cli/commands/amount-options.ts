/** The options that name an amount of each resource, as several commands have them. */
import type { Command } from "commander";
import { LIMITS } from "#std";
import { bytes, wholeNumber } from "./option-values.ts";

export interface AmountWords {
  /** The smallest amount that makes sense. */
  readonly min: number;
  /** What each is, for the help. */
  readonly credits: string;
  readonly toolCalls: string;
  readonly branches: string;
  readonly memory: string;
}

const EXAMPLES = "1_000_000, 512MiB";

export function addAmounts(command: Command, words: AmountWords): Command {
  const amount = wholeNumber({ min: words.min, max: LIMITS.amountMax });
  return command
    .option("--credits <n>", words.credits, amount)
    .option("--tool-calls <n>", words.toolCalls, amount)
    .option("--branches <n>", words.branches, amount)
    .option("--memory <bytes>", `${words.memory}: ${EXAMPLES}`, bytes);
}
