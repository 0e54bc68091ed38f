/**
 * PREEMPTION_ALLOWED: who gives way to a claim that does not fit, and how. Pure: candidates in, plan out; the engine carries it out.
 * - V1 strict: only from strictly lower base priority, never from who is spared (victim-plan-candidate.ts). [Kubernetes scheduler; Borg
 *   lets no production task preempt another, lest evictions cascade]
 * - V2 unspent first: what is free is asked back (SHRINK) before running work is touched, and of that only as much as is needed.
 * - V3 cheap: the least costly running work (victim-plan-pick.ts). [Kubernetes: lowest priority, fewest, youngest; Kueue: lowest
 *   priority, granted last]
 * - V4 minimal: none whom the rest could do without [Kubernetes reprieves, Kueue adds back, the most important first], and none is stopped
 *   where a pause would do.
 * - V5 atomic: when all together are not enough, nobody gives anything.
 * - V6 damped: so many at a time, one plan per claim at a time, a dead zone, protection of what was just granted or preempted. Where there
 *   are more victims than one round takes, the first round begins only if all rounds together are enough.
 * - V7 deterministic: the order of the candidates does not matter.
 * Kubernetes: pkg/scheduler/framework/preemption; Kueue: pkg/scheduler/preemption; Borg: Verma et al., EuroSys 2015, section 2.5.
 * docs/preemption.md says it in the users' words and proves that two claims cannot preempt each other for ever.
 */
import { assert, LIMITS } from "#std";
import { type Amounts, isNothing, leastAmounts, monusAmounts, mostAmounts, NOTHING, RESOURCES } from "../resource.ts";
import {
  type Claimant,
  levelOf,
  type NoPlanReason,
  type Spared,
  sparedFor,
  type VictimCandidate,
  type VictimMode,
  type VictimQuestion,
} from "./victim-plan-candidate.ts";
import { type Giver, leftMissing, type Picked, pickGivers } from "./victim-plan-pick.ts";
import { noPlanReason, shrinkReason, victimReason } from "./victim-plan-words.ts";

/** Gives back what is free. */
export interface Shrinking {
  readonly id: string;
  readonly takes: Amounts;
  readonly because: string;
}

/** Running work that is paused or stopped. */
export interface Victim {
  readonly id: string;
  readonly mode: VictimMode;
  /** All that comes back from it, its unspent budget included. */
  readonly takes: Amounts;
  readonly because: string;
}

export type VictimPlan =
  | {
      readonly type: "plan";
      readonly unspent: readonly Shrinking[];
      readonly victims: readonly Victim[];
      /** What is left to later rounds; nothing when this one is enough. */
      readonly shortBy: Amounts;
    }
  | {
      readonly type: "none";
      readonly reason: NoPlanReason;
      readonly because: string;
      /** NOT_ENOUGH: what all together would leave missing. TOO_LITTLE, NOT_WORTH_IT: what only running work could give. */
      readonly shortBy: Amounts;
      /** Who was left alone; the least important first. */
      readonly spared: readonly Spared[];
      /** Engine time at which asking again may be of use; undefined: only once something changes. */
      readonly againAtMs: number | undefined;
    };

interface UnspentGiver extends Giver {
  readonly candidate: VictimCandidate;
}

/** A candidate as one who may be paused or stopped. What it gives is what that brings beyond its unspent budget. */
interface RunningGiver extends UnspentGiver {
  readonly mode: VictimMode;
}

export function planVictims(question: VictimQuestion): VictimPlan {
  const { claimant, needed, candidates, rules } = question;
  assert(rules.victimsPerRoundMax >= 1, "a round takes one victim at least");
  const spared: Spared[] = [];
  const open: VictimCandidate[] = [];
  for (const candidate of candidates) {
    const why = sparedFor(candidate, question);
    if (why) spared.push(why);
    else open.push(candidate);
  }
  const none = (reason: NoPlanReason, shortBy = NOTHING) => noPlan({ question, spared, reason, shortBy });
  if (claimant.pending) return none("PENDING");
  const missing = open.reduce((rest, { unspent }) => monusAmounts(rest, unspent), needed);
  if (isNothing(missing)) {
    return { type: "plan", unspent: shrinkings(claimant, open, needed), victims: [], shortBy: NOTHING };
  }
  const running = open.map((candidate) => runningGiver(candidate, missing));
  const picked = pickGivers(running, missing);
  if (!picked) return none("NOT_ENOUGH", leftMissing(running, missing));
  if (!RESOURCES.some((resource) => missing[resource] > 0 && missing[resource] >= rules.missingMin[resource])) {
    return none("TOO_LITTLE", missing);
  }
  const victims = softened(picked);
  if (!picked.surplus.isWorth(missing, rules.worthPercentMin)) return none("NOT_WORTH_IT", missing);
  return firstRound(question, { open, victims, missing });
}

/** PAUSE where that brings all of what is missing that a STOP would bring. */
function runningGiver(candidate: VictimCandidate, missing: Amounts): RunningGiver {
  const pause = beyondUnspent(candidate, "PAUSE");
  const stop = beyondUnspent(candidate, "STOP");
  const extra = monusAmounts(leastAmounts(stop, missing), leastAmounts(pause, missing));
  const isPause = candidate.byPause !== undefined && isNothing(extra);
  const { id, priority, grantedAtMs, percentDone } = candidate;
  return {
    id,
    level: levelOf(priority),
    grantedAtMs,
    lostPercent: isPause ? 0 : percentDone,
    gives: isPause ? pause : stop,
    mode: isPause ? "PAUSE" : "STOP",
    candidate,
  };
}

function beyondUnspent(candidate: VictimCandidate, mode: VictimMode): Amounts {
  return monusAmounts(wholeOf(candidate, mode), candidate.unspent);
}

/** All that comes back from the candidate when it is preempted so. */
function wholeOf({ unspent, byPause, byStop }: VictimCandidate, mode: VictimMode): Amounts {
  const paused = mostAmounts(unspent, byPause ?? NOTHING);
  return mode === "PAUSE" ? paused : mostAmounts(paused, byStop ?? NOTHING);
}

/** The same victims, those who need not be stopped paused; the most valuable first. */
function softened({ givers, surplus }: Picked<RunningGiver>): RunningGiver[] {
  const soften = (giver: RunningGiver): RunningGiver => {
    const { candidate, mode, gives } = giver;
    if (mode === "PAUSE" || !candidate.byPause) return giver;
    const pause = beyondUnspent(candidate, "PAUSE");
    return surplus.take(monusAmounts(gives, pause)) ? { ...giver, mode: "PAUSE", gives: pause } : giver;
  };
  return givers.toReversed().map(soften).reverse();
}

interface Full {
  readonly open: readonly VictimCandidate[];
  /** Of all rounds, the cheapest first. */
  readonly victims: readonly RunningGiver[];
  readonly missing: Amounts;
}

function firstRound(question: VictimQuestion, { open, victims, missing }: Full): VictimPlan {
  const { claimant, needed, rules } = question;
  const now = victims.slice(0, rules.victimsPerRoundMax);
  const giving = new Set(victims.map(({ candidate }) => candidate));
  const others = open.filter((candidate) => !giving.has(candidate));
  const rest = victims.reduce((left, { candidate, mode }) => monusAmounts(left, wholeOf(candidate, mode)), needed);
  return {
    type: "plan",
    unspent: shrinkings(claimant, others, rest),
    victims: now.map(({ candidate, mode }) => {
      const because = victimReason({ candidate, mode, claimant });
      return { id: candidate.id, mode, takes: wholeOf(candidate, mode), because };
    }),
    shortBy: leftMissing(now, missing),
  };
}

/** Who gives how much of what is free, in all exactly what is needed. They must have it. */
function shrinkings(claimant: Claimant, candidates: readonly VictimCandidate[], needed: Amounts): Shrinking[] {
  const givers = candidates.map(unspentGiver);
  const picked = pickGivers(givers, needed);
  assert(picked !== undefined, "what is free was counted before");
  let rest = needed;
  return picked.givers.map(({ id, gives, candidate }) => {
    const takes = leastAmounts(gives, rest);
    rest = monusAmounts(rest, takes);
    return { id, takes, because: shrinkReason({ candidate, claimant }) };
  });
}

function unspentGiver(candidate: VictimCandidate): UnspentGiver {
  const { id, priority, grantedAtMs, unspent } = candidate;
  return { id, level: levelOf(priority), grantedAtMs, lostPercent: 0, gives: unspent, candidate };
}

interface Refused {
  readonly question: VictimQuestion;
  readonly spared: readonly Spared[];
  readonly reason: NoPlanReason;
  readonly shortBy: Amounts;
}

function noPlan({ question, spared, reason, shortBy }: Refused): VictimPlan {
  const inOrder = spared.toSorted((a, b) => levelOf(a.priority) - levelOf(b.priority) || (a.id < b.id ? -1 : 1));
  const named = inOrder.slice(0, LIMITS.sparedNamedMax);
  const ends = spared.flatMap(({ untilMs }) => untilMs ?? []);
  return {
    type: "none",
    reason,
    because: noPlanReason({ question, reason, shortBy, named, unnamed: spared.length - named.length }),
    shortBy,
    spared: named,
    againAtMs: ends.length > 0 ? Math.min(...ends) : undefined,
  };
}
