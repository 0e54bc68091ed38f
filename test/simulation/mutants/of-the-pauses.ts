/** Mutants of PAUSE and STOP. */
import type { Mutant } from "./mutant.ts";

export const MUTANTS_OF_THE_PAUSES: readonly Mutant[] = [
  {
    name: "what is paused goes on",
    file: "shared/budget/conflict.ts",
    find: "  if (pause) return pausedRefusal(pause);\n",
    replace: "",
    breaks: "what was given back is not, for it is spent elsewhere and here",
  },
  {
    name: "a pause does not reach below",
    file: "shared/budget/reclaim-begin.ts",
    find: '    else if (child.state === "open") pauseChild(draft, place, child);\n',
    replace: "",
    breaks: "a run is paused, and its steps are not",
  },
  {
    name: "the end of a pause does not reach below",
    file: "shared/budget/decide-resume.ts",
    find: "    for (const below of askedBelow({ node, reclaim })) goOnBelow(draft, below.child, below.preemptionId);\n",
    replace: "",
    breaks: "a run goes on, and its steps stand still for ever",
  },
  {
    name: "a stop waits for every call",
    file: "shared/budget/decide-call.ts",
    find: "  if (stoppedBy(hold.allocation)) return refuse(closingRefusal(hold.allocation));\n",
    replace: "",
    breaks: "a call holds up the stop of its step for as long as it likes",
    temper: "contended",
  },
];
