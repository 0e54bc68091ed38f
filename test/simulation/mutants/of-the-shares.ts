/** Mutants of sharing by weight. */
import type { Mutant } from "./mutant.ts";

export const MUTANTS_OF_THE_SHARES: readonly Mutant[] = [
  {
    name: "a share is given before it has come back",
    file: "shared/budget/share-portion.ts",
    find: "const there = least(wanted, monus(drawableOf(node, resource, sight), claimed[resource]));",
    replace: "const there = wanted;",
    breaks: "what others still spend is granted again",
  },
  {
    name: "a newcomer gets its share though it is less than its minimum",
    file: "shared/budget/share-portion.ts",
    find: "  for (const resource of CONSUMABLES) if (give[resource] < sharing.demand.min[resource]) return resource;\n",
    replace: "",
    breaks: "grants are of no use",
  },
];
