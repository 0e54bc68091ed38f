/** What a plan says to people: why this one gives way, and why nobody does. */
import { type Amounts, RESOURCES, type Resource } from "../resource.ts";
import type {
  Claimant,
  NoPlanReason,
  Spared,
  SpareReason,
  VictimCandidate,
  VictimMode,
  VictimQuestion,
  VictimRules,
} from "./victim-plan-candidate.ts";

const NAME_OF: { readonly [R in Resource]: string } = {
  credits: "credit",
  toolCalls: "tool call",
  branches: "branch slot",
  memoryBytes: "memory byte",
};

/** For example "40 credits and 1 branch slot"; "nothing" where there is none. */
export function amountsText(amounts: Amounts): string {
  const parts = RESOURCES.filter((resource) => amounts[resource] > 0).map((resource) => {
    return `${amounts[resource]} ${NAME_OF[resource]}${amounts[resource] === 1 ? "" : "s"}`;
  });
  const last = parts.pop();
  if (last === undefined) return "nothing";
  return parts.length > 0 ? `${parts.join(", ")} and ${last}` : last;
}

interface Between {
  readonly candidate: VictimCandidate;
  readonly claimant: Claimant;
}

export function shrinkReason({ candidate, claimant }: Between): string {
  return `${candidate.priority} below ${claimant.priority}; this is free there, nothing running is touched`;
}

export function victimReason({ candidate, claimant, mode }: Between & { readonly mode: VictimMode }): string {
  const { priority, percentDone, byPause } = candidate;
  const rank = `${priority} below ${claimant.priority}`;
  if (mode === "PAUSE") return `${rank}; paused, its ${percentDone} % done are kept`;
  const pausing = byPause ? "pausing it would not free enough" : "it cannot be paused";
  return `${rank}; ${percentDone} % done are lost: ${pausing}`;
}

function sparedText({ path, priority, why }: Spared, rules: VictimRules): string {
  const because: { readonly [W in SpareReason]: string } = {
    NOT_LOWER: "not of lower priority",
    EMERGENCY_WORK: "emergency work",
    WRAP_UP: "in its final step",
    LEAVING: "giving way already",
    JUST_GRANTED: `granted less than ${rules.protectMs} ms ago`,
    COOL_DOWN: `preempted less than ${rules.coolDownMs} ms ago`,
  };
  return `${path} (${priority}, ${because[why]})`;
}

function shortText({ claimant: { path, priority }, needed, cut = false }: VictimQuestion, shortBy: Amounts): string {
  const who = `${path} (${priority})`;
  if (RESOURCES.every((resource) => shortBy[resource] === needed[resource])) {
    return `nothing may be taken for ${who}${cut ? " of those that were looked at" : ""}`;
  }
  const looked = cut ? ", of those that were looked at," : "";
  return `all that may be taken for ${who}${looked} is short of ${amountsText(needed)} by ${amountsText(shortBy)}`;
}

interface NoPlan {
  readonly question: VictimQuestion;
  readonly reason: NoPlanReason;
  readonly shortBy: Amounts;
  readonly named: readonly Spared[];
  readonly unnamed: number;
}

export function noPlanReason({ question, reason, shortBy, named, unnamed }: NoPlan): string {
  const { claimant, rules } = question;
  if (reason === "PENDING") return `room is being made for ${claimant.path} already`;
  if (reason === "TOO_LITTLE") return `${amountsText(shortBy)} is too little to touch running work for`;
  if (reason === "NOT_WORTH_IT") {
    return `${amountsText(shortBy)} is less than ${rules.worthPercentMin} % of what running work would have to give for it`;
  }
  const short = shortText(question, shortBy);
  if (named.length === 0) return short;
  const more = unnamed > 0 ? ` and ${unnamed} more` : "";
  return `${short}; left alone: ${named.map((spared) => sparedText(spared, rules)).join(", ")}${more}`;
}
