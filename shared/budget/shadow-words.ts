/** What a policy that is tried beside the one in force would have made of a request, in one sentence. */
import { unreachable } from "#std";
import type { Conflict, ShadowGiver, ShadowResult, ShadowVerdict } from "./outcome.ts";
import { conflictWords, refusalWords } from "./refusal-words.ts";
import { isNothing } from "./resource.ts";
import { amountsText } from "./strategies/victim-plan-words.ts";
import { strategyWords } from "./strategy-in-force.ts";

/** For example "shadow PRIORITY_BASED (its own): would have been granted in full: 400 credits". */
export function shadowWords(verdict: ShadowVerdict): string {
  return `shadow ${strategyWords(verdict.strategy)}: would have ${resultWords(verdict)}`;
}

function resultWords(result: ShadowResult): string {
  switch (result.would) {
    case "GRANTED":
    case "GRANTED_IN_PART": {
      const { granted, lacking } = result;
      const less = isNothing(lacking) ? "" : `, ${amountsText(lacking)} less than wanted`;
      const what = isNothing(granted) ? "no amount of its own" : amountsText(granted);
      return `been granted in ${result.would === "GRANTED" ? "full" : "part"}: ${what}${less}`;
    }
    case "PREEMPTING":
      return `been granted what others give back: ${giversWords(result)}`;
    case "QUEUED":
      return `waited at place ${result.conflict.position}: ${conflictWords(withoutRule(result.conflict))}`;
    case "REFUSED": {
      const { refusal } = result;
      const told = refusal.code === "conflict" ? { ...refusal, conflict: withoutRule(refusal.conflict) } : refusal;
      return `been refused: ${refusalWords(told)}`;
    }
    default:
      return unreachable(result);
  }
}

/** The rule stands at the beginning of the sentence. */
function withoutRule({ strategy: _, ...conflict }: Conflict): Conflict {
  return conflict;
}

function giversWords({
  givers,
  giversMore,
}: {
  readonly givers: readonly ShadowGiver[];
  readonly giversMore: number;
}): string {
  if (givers.length === 0) return "room that is set aside for requests of lower priority";
  const more = giversMore === 0 ? "" : ` and ${giversMore} more`;
  return `${givers.map(({ path, mode }) => `${path} (${mode})`).join(", ")}${more}`;
}
