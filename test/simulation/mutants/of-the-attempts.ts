/** Mutants of the next attempts of work that gave way. */
import type { Mutant } from "./mutant.ts";

export const MUTANTS_OF_THE_ATTEMPTS: readonly Mutant[] = [
  {
    name: "the next attempt is a new request",
    file: "shared/budget/attempt.ts",
    find: 'if (wish.type !== "open" || wish.attemptOf === undefined) return NO_HISTORY;',
    replace: 'if (wish.type !== "open" || wish.attemptOf !== undefined) return NO_HISTORY;',
    breaks: "work that gave way waits behind whoever came since",
    temper: "contended",
  },
  {
    name: "what goes on after a pause is forgotten",
    file: "shared/budget/victims.ts",
    find: "this.remember(allocationId, { ...history, preemptedAtMs: atMs });",
    replace: "this.forget(allocationId);",
    breaks: "work that was paused and then gave way waits behind whoever came since",
    temper: "contended",
  },
];
