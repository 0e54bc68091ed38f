/** Mutants of policies that are only tried. */
import type { Mutant } from "./mutant.ts";

export const MUTANTS_OF_THE_SHADOWS: readonly Mutant[] = [
  {
    name: "a shadow is enforced",
    file: "shared/budget/strategies/index.ts",
    find: '(under === "shadow" ? at.policy.shadow?.strategy : undefined) ?? at.policy.strategy;',
    replace: '(under === "policy" ? at.policy.shadow?.strategy : undefined) ?? at.policy.strategy;',
    breaks: "a policy that is only tried decides",
  },
  {
    name: "looking what a shadow would do takes from others",
    file: "shared/budget/take-portion.ts",
    find: "  const { wanted } = sharing.demand;\n",
    replace:
      "  const { wanted } = sharing.demand;\n  for (const { child, resource, amount } of gifts) askShare(draft, shared, child, amountsOf({ [resource]: amount }));\n",
    breaks: "work gives budget back for a policy that is not in force",
  },
];
