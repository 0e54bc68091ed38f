/** Mutants of names: who may hold one, who waits for it, and who calls it. */
import type { Mutant } from "./mutant.ts";

export const MUTANTS_OF_THE_NAMES: readonly Mutant[] = [
  {
    name: "two hold a name exclusively",
    file: "shared/budget/access.ts",
    find: 'return a === "SHARED" && b === "SHARED";',
    replace: 'return a === "SHARED" || b === a;',
    breaks: "a name that one allocation holds alone is nobody else's",
  },
  {
    name: "names are free as soon as their holder begins to close",
    file: "shared/budget/evolve-allocation.ts",
    find: "  state.victims.closing(node);\n",
    replace: "  state.victims.closing(node);\n  namesFreed(state, node);\n",
    breaks: "what still ends holds its names",
    temper: "named",
  },
  {
    name: "who waits for a name alone is passed by those who share it",
    file: "shared/budget/access-conflict.ts",
    find: "    const [inTurn] = group.before(place, wanted.mode);\n    if (group.leaves",
    replace: "    const [inTurn] = [...group.before(place, wanted.mode)].slice(0, 0);\n    if (group.leaves",
    breaks: "names go to those whose turn it is",
    temper: "named",
  },
];
