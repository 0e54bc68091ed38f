/** Mutants of preemption: who gives way, when, and for whom the room is kept. */
import type { Mutant } from "./mutant.ts";

export const MUTANTS_OF_THE_CLAIMS: readonly Mutant[] = [
  {
    name: "a claim counts as one level higher than it is",
    file: "shared/budget/preempt-for.ts",
    find: 'return PRIORITIES[base] ?? "LOW";',
    replace: 'return PRIORITIES[base + 1] ?? "EMERGENCY";',
    breaks: "work gives way to its equals",
  },
  {
    name: "nothing is set aside of what comes back",
    file: "shared/budget/reserve-room.ts",
    find: "    if (isNothing(part)) continue;\n",
    replace: "    if (!isNothing(part)) continue;\n",
    breaks: "what victims give up goes to whoever comes first",
  },
  {
    name: "work has no minimum run time",
    file: "shared/budget/preemption-rules.ts",
    find: "protectMs: stated.protectMs ?? USUAL_RULES.protectMs,",
    replace: "protectMs: 0,",
    breaks: "work is preempted as soon as it is granted",
  },
];
