/** Mutants of preemption: who gives way, when, and for whom the room is kept. */
import type { Mutant } from "./mutant.ts";

export const MUTANTS_OF_THE_CLAIMS: readonly Mutant[] = [
  {
    name: "a claim counts as one level higher than it is",
    file: "shared/budget/preempt-for.ts",
    find: 'return PRIORITIES[base] ?? "LOW";',
    replace: 'return PRIORITIES[base + 1] ?? "EMERGENCY";',
    breaks: "work gives way to its equals",
    temper: "contended",
  },
  {
    name: "nothing is set aside of what comes back",
    file: "shared/budget/reserve-room.ts",
    find: "    if (isNothing(part)) continue;\n",
    replace: "    if (!isNothing(part)) continue;\n",
    breaks: "what victims give up goes to whoever comes first",
    temper: "contended",
  },
  {
    name: "work has no minimum run time",
    file: "shared/budget/preemption-rules.ts",
    find: "protectMs: stated.protectMs ?? USUAL_RULES.protectMs,",
    replace: "protectMs: 0,",
    breaks: "work is preempted as soon as it is granted",
    temper: "contended",
  },
  {
    name: "a holder that has nothing free is asked again",
    file: "shared/budget/asked.ts",
    find: "if (reclaim.exhausted !== true) continue;",
    replace: "if (reclaim.exhausted !== undefined) continue;",
    breaks: "claims ask for what is in use instead of looking further",
    temper: "contended",
  },
  {
    name: "paused work asks for a credit less than it gave",
    file: "shared/budget/give-back.ts",
    find: 'credits: pooled.includes("credits") ? ZERO : reclaimed.credits,',
    replace: "credits: (reclaimed.credits > 0 ? reclaimed.credits - 1 : 0) as typeof reclaimed.credits,",
    breaks: "who is paused for others loses budget each time",
    temper: "contended",
  },
  {
    name: "who has given for a pause does not wait to go on",
    file: "shared/budget/goes-on.ts",
    find: "if (isWanted && !known) return;",
    replace: "if (!known) return;",
    breaks: "work that was paused for others stands still for ever",
    temper: "contended",
  },
  {
    name: "who goes on is still paused",
    file: "shared/budget/goes-on.ts",
    find: "  for (const { node, preemptionId } of goingOn.splice(0)) endPauses(draft, node, [preemptionId]);\n",
    replace: "  goingOn.splice(0);\n",
    breaks: "work that was paused for others has its budget again and stands still",
    temper: "contended",
  },
  {
    name: "a claim is not planned again when nothing more is free",
    file: "shared/budget/exhausted.ts",
    find: "  answered(draft, place.node, place.reclaim.preemptionId);\n",
    replace: "",
    breaks: "a claim waits for what does not come instead of looking further",
    temper: "contended",
  },
];
