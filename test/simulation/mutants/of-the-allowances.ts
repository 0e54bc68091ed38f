/** Mutants of what is answered before it is durable, and of what a power cut hides of it. */
import type { Mutant } from "./mutant.ts";

export const MUTANTS_OF_THE_ALLOWANCES: readonly Mutant[] = [
  {
    name: "a power cut hides nothing",
    file: "shared/budget/decide-holder.ts",
    find: "if (before !== undefined && before !== bootId) countAllowances(draft);",
    replace: "if (before === bootId && before === undefined) countAllowances(draft);",
    breaks: "what was spent under holds that a power cut took away is granted once more",
  },
  {
    name: "an allowance without end",
    file: "shared/tier/ahead.ts",
    find: "if (taken.credits + credits > allowance.credits || taken.toolCalls + toolCalls > allowance.toolCalls) return false;",
    replace: "if (taken.credits > allowance.credits) return false;",
    breaks: "more is answered before it is durable than is counted after a power cut",
  },
];
