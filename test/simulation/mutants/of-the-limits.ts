/** Mutants of limits and deadlines that change while work goes on. */
import type { Mutant } from "./mutant.ts";

const UPDATE = "shared/budget/decide-update-limits.ts";

export const MUTANTS_OF_THE_LIMITS: readonly Mutant[] = [
  {
    name: "a limit shrinks below what is in use",
    file: UPDATE,
    find: "  if (down[resource] <= free) return undefined;",
    replace: "  if (down[resource] <= limit) return undefined;",
    breaks: "what is granted is no longer covered",
  },
  {
    name: "a run shrinks without being asked",
    file: UPDATE,
    find: '  if (node.side === "delegated") {\n',
    replace: '  if (node.side === "received") {\n',
    breaks: "its holder spends what went back",
  },
  {
    name: "a limit grows by what is not there",
    file: UPDATE,
    find: "  const scarce = shortOf(parent, up, sight);\n",
    replace: "  const scarce = up.credits < 0 ? shortOf(parent, up, sight) : undefined;\n",
    breaks: "the parent gives out more than it has",
  },
  {
    name: "a deadline moves alone",
    file: "shared/budget/deadline.ts",
    find: "    if (goesAlong(child, before, deadlineAtMs)) moveDeadline(",
    replace: "    if (before === Number.NaN && goesAlong(child, before, deadlineAtMs)) moveDeadline(",
    breaks: "what is below outlives what is above it",
  },
];
