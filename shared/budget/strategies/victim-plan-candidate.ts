/**
 * The question of a victim plan: who wants what, who may have to give way, what each is spared for. A candidate is a picture of one
 * allocation at one moment, made by the engine; amounts in it never count anything twice:
 * - `unspent` is less what it owes to preemptions already; `byPause` and `byStop` are less what it owes to other claimants.
 * - Room that is reserved for a claimant of lower priority is a candidate too: with that room as `unspent`, and nothing that runs.
 */
import { LIMITS } from "#std";
import type { Amount } from "../amount.ts";
import { PRIORITIES, type PreemptionMode, type Priority } from "../policy.ts";
import { type Amounts, NOTHING } from "../resource.ts";

export interface VictimCandidate {
  readonly id: string;
  readonly path: string;
  /** Base priority: what it was opened with, never raised by waiting. */
  readonly priority: Priority;
  /** Engine time at which it was opened, or went on after a pause. More budget granted to it does not protect it anew. */
  readonly grantedAtMs: number;
  /** Given back by SHRINK: nothing running is touched. */
  readonly unspent: Amounts;
  /** Given back in all when it is paused or stopped, the unspent included; absent: that cannot be done to it. */
  readonly byPause?: Amounts | undefined;
  readonly byStop?: Amounts | undefined;
  /** How far its work has got: 0 … 100, see percentDone. It is lost by a STOP, not by a PAUSE. */
  readonly percentDone: number;
  /** It is being paused or stopped already. */
  readonly leaving?: boolean | undefined;
  /** Engine time at which it, or what it is the second attempt of, was last paused or stopped. */
  readonly preemptedAtMs?: number | undefined;
  /** It is never preempted: paid from the emergency reserve, or in its own final step. */
  readonly exempt?: "EMERGENCY_WORK" | "WRAP_UP" | undefined;
}

/** Who wants budget. */
export interface Claimant {
  /** Base priority. */
  readonly priority: Priority;
  readonly path: string;
  /** Victims of an earlier plan for it are still leaving. */
  readonly pending?: boolean | undefined;
}

/** How much preemption is damped. Percentages are whole. */
export interface VictimRules {
  /** Nothing is taken from what was granted less than this ago. */
  readonly protectMs: number;
  /** Nothing is taken from what was paused or stopped less than this ago. */
  readonly coolDownMs: number;
  /** Running work that is preempted at a time; at least 1. */
  readonly victimsPerRoundMax: number;
  /** Dead zone: running work is left alone unless, of some resource, at least this much is missing. Zero for each: no such zone. */
  readonly missingMin: Amounts;
  /** Dead zone: of some missing resource, this percentage of what is taken from running work must be missing; 0 … 100. */
  readonly worthPercentMin: number;
}

/** How it is damped where nothing else is said. */
export const USUAL_RULES: VictimRules = Object.freeze({
  protectMs: LIMITS.victimProtectMs,
  coolDownMs: LIMITS.victimCoolDownMs,
  victimsPerRoundMax: LIMITS.victimsPerRoundMax,
  missingMin: NOTHING,
  worthPercentMin: LIMITS.victimWorthPercentMin,
});

export interface VictimQuestion {
  readonly claimant: Claimant;
  /** What the claimant lacks: its minimum less what is free for it and what is reserved for it. */
  readonly needed: Amounts;
  readonly candidates: readonly VictimCandidate[];
  /** Not all who could give are among the candidates (see VictimIndex). */
  readonly cut?: boolean;
  readonly rules: VictimRules;
  readonly nowMs: number;
}

/** What is done to running work. */
export type VictimMode = Exclude<PreemptionMode, "SHRINK">;

export type NoPlanReason =
  /** An earlier plan for the claimant is still being carried out. */
  | "PENDING"
  /** All who may have to give way do not have enough together. */
  | "NOT_ENOUGH"
  /** Too little is missing to touch running work. */
  | "TOO_LITTLE"
  /** Too much would have to be taken from running work for what is missing. */
  | "NOT_WORTH_IT";

export type SpareReason = "NOT_LOWER" | "EMERGENCY_WORK" | "WRAP_UP" | "LEAVING" | "JUST_GRANTED" | "COOL_DOWN";

/** A candidate that is left alone. */
export interface Spared {
  readonly id: string;
  readonly path: string;
  readonly priority: Priority;
  readonly why: SpareReason;
  /** Engine time at which it is not spared for this reason any more; undefined where none is known. */
  readonly untilMs: number | undefined;
}

export function levelOf(priority: Priority): number {
  return PRIORITIES.indexOf(priority);
}

export interface Sparing {
  readonly claimant: Claimant;
  readonly rules: VictimRules;
  readonly nowMs: number;
}

/** Why nothing is taken from the candidate, or undefined when it may have to give way. What lasts for ever is named first. */
export function sparedFor(candidate: VictimCandidate, { claimant, rules, nowMs }: Sparing): Spared | undefined {
  const { id, path, priority, grantedAtMs, preemptedAtMs } = candidate;
  const spare = (why: SpareReason, untilMs?: number) => ({ id, path, priority, why, untilMs });
  if (levelOf(priority) >= levelOf(claimant.priority)) return spare("NOT_LOWER");
  if (candidate.exempt) return spare(candidate.exempt);
  if (candidate.leaving) return spare("LEAVING");
  const coolAtMs = preemptedAtMs === undefined ? nowMs : preemptedAtMs + rules.coolDownMs;
  const ripeAtMs = grantedAtMs + rules.protectMs;
  if (coolAtMs > nowMs && coolAtMs >= ripeAtMs) return spare("COOL_DOWN", coolAtMs);
  return ripeAtMs > nowMs ? spare("JUST_GRANTED", ripeAtMs) : undefined;
}

/** What is known of the progress of work. Absent: not limited, or not known. */
export interface Progress {
  readonly used: Amount;
  readonly limit?: Amount | undefined;
  readonly ranMs: number;
  readonly durationMs?: number | undefined;
}

/** How far work has got, in whole per cent (0 … 100, rounded down): by its use or by its time, whichever says more. */
export function percentDone({ used, limit, ranMs, durationMs }: Progress): number {
  const known = [
    ...(limit === undefined ? [] : [percentOf(used, limit)]),
    ...(durationMs === undefined ? [] : [percentOf(ranMs, durationMs)]),
  ];
  return known.length > 0 ? Math.max(...known) : percentOf(ranMs, ranMs + LIMITS.victimHalfDoneMs);
}

function percentOf(part: number, whole: number): number {
  if (part <= 0) return 0;
  if (part >= whole) return 100;
  return Number((BigInt(Math.floor(part)) * 100n) / BigInt(Math.ceil(whole)));
}
