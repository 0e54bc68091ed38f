/** Mutants of policies: what is inherited across daemons, and what changes while work goes on. */
import type { Mutant } from "./mutant.ts";

export const MUTANTS_OF_THE_POLICIES: readonly Mutant[] = [
  {
    name: "a grant says nothing of the policies above",
    file: "shared/budget/grant.ts",
    find: "return inherited === undefined ? policy : sharedPolicy({ ...policy, inherited });",
    replace: "return inherited === undefined ? policy : sharedPolicy(policy);",
    breaks: "work in a run competes as nobody has said",
  },
  {
    name: "the strategy farthest up counts",
    file: "shared/budget/inherited-policy.ts",
    find: "if (strategy !== undefined && found?.strategy === undefined) {",
    replace: "if (strategy !== undefined) {",
    breaks: "what is nearer says what counts",
  },
  {
    name: "holders do not hear of another strategy",
    file: "shared/budget/set-policy.ts",
    find: "  tellInherited(draft, node);\n",
    replace: "",
    breaks: "a strategy that is changed live does not hold in the runs that are there",
  },
  {
    name: "another strategy from above is not taken",
    file: "shared/budget/inherited-policy.ts",
    find: 'if (inherited === undefined || node.state !== "open" || sameInherited(policy.inherited, inherited)) return false;',
    replace:
      'if (inherited === undefined || node.state === "open" || sameInherited(policy.inherited, inherited)) return false;',
    breaks: "a strategy that is changed live does not hold in the runs that are there",
  },
  {
    name: "who waits keeps the order of before",
    file: "shared/budget/evolve-queue.ts",
    find: "    queued.waiters = queued.waiters.reordered(order);\n",
    replace: "",
    breaks: "a strategy that is changed live holds for those who come later only",
  },
  {
    name: "a claim goes on under another strategy",
    file: "shared/budget/preempt-for.ts",
    find: "  if (!mayPreempt(node, waiter.request)) {\n",
    replace: "  if (!mayPreempt(node, waiter.request) && round < 0) {\n",
    breaks: "work gives way where nobody may be preempted any more",
    temper: "contended",
  },
];
