/** Mutants of tranches: who may draw a reserve, and what it is when it comes back. */
import type { Mutant } from "./mutant.ts";

export const MUTANTS_OF_THE_TRANCHES: readonly Mutant[] = [
  {
    name: "what comes back of a reserve is general",
    file: "shared/budget/tranches.ts",
    find: "    this.left = addParts(this.left, kept);\n",
    replace: "    this.left = addParts(this.left, { ...kept, bonus: ZERO, emergency: ZERO });\n",
    breaks: "a reserve is laundered: drawn by who may, given back, and used by everybody",
  },
  {
    name: "all work sees the emergency reserve",
    file: "shared/budget/tranches.ts",
    find: 'return priority === "CRITICAL" || priority === "EMERGENCY" ? BY_PRIORITY : GENERAL;',
    replace: "return BY_PRIORITY;",
    breaks: "reserves are for the work that they are kept for",
  },
];
