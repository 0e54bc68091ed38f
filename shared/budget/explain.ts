/**
 * What was decided and why, as a value, and the sentence that says it. The record is made when somebody wants to know; its words are the same
 * wherever they are read: in the message of an error, in a span event, in WatchDecisions and in `bursar why`.
 */
import { unreachable } from "#std";
import { accessText } from "./access.ts";
import type { CommandOf, OpenWish, RaiseWish } from "./command.ts";
import { type LimitsChange, limitWords } from "./limit-words.ts";
import type { Conflict, Refusal, ShadowVerdict, Unasked } from "./outcome.ts";
import type { PreemptionMode, Priority } from "./policy.ts";
import { conflictWords, refusalWords } from "./refusal-words.ts";
import { overWords } from "./reservation-words.ts";
import { type Amounts, amountsOf, isNothing, monusAmounts } from "./resource.ts";
import { amountsText } from "./strategies/victim-plan-words.ts";
import { type StrategyInForce, strategyWords } from "./strategy-in-force.ts";

/** What was decided, in one word. */
export const DECIDED = [
  "GRANTED",
  "GRANTED_IN_PART",
  "QUEUED",
  "REFUSED",
  "PREEMPTED",
  "LIMITS_CHANGED",
  "CLOSING",
  "CLOSED",
  "IN_DOUBT",
  "WRITTEN_OFF",
  "RESUMED",
  "TOPPED_UP",
  "RESERVED",
  "RESERVATION_ENDED",
] as const;
export type Decided = (typeof DECIDED)[number];

/** How a preemption stands at an allocation. */
export interface PreemptionStanding {
  readonly preemptionId: string;
  readonly mode: PreemptionMode | undefined;
  /** As its author gave it; empty: not said. */
  readonly reason: string;
  readonly reclaimed: Amounts;
  readonly pending: Amounts;
  /** Allocations of other daemons that were asked and have not given everything yet. */
  readonly waitingOn: number;
}

export type Verdict =
  | {
      readonly decided: "GRANTED" | "GRANTED_IN_PART";
      readonly granted: Amounts;
      /** What of the wish was not granted; nothing when all of it was. */
      readonly lacking: Amounts;
      /** It keeps nothing of some resource and draws it as calls need it. */
      readonly pooled: boolean;
      /** How long it waited; absent: it did not wait. */
      readonly waitedMs: number | undefined;
      /** Of the next attempt of work that was preempted: how long ago the first one came. */
      readonly sinceFirstMs?: number;
      readonly strategy: StrategyInForce;
    }
  | { readonly decided: "QUEUED"; readonly conflict: Conflict }
  | { readonly decided: "REFUSED"; readonly refusal: Refusal }
  | { readonly decided: "PREEMPTED"; readonly preemption: PreemptionStanding }
  | ({ readonly decided: "LIMITS_CHANGED" } & LimitsChange)
  | { readonly decided: "CLOSING" | "CLOSED"; readonly reason: string }
  | { readonly decided: "IN_DOUBT"; readonly holder: string; readonly amounts: Amounts }
  | { readonly decided: "WRITTEN_OFF"; readonly amounts: Amounts; readonly reason: string }
  | {
      readonly decided: "RESERVED";
      readonly reservationId: string;
      readonly name: string;
      readonly amounts: Amounts;
      /** Milliseconds until it begins. */
      readonly startsInMs: number;
      readonly lastsMs: number;
    }
  | Unasked;

export interface DecisionRecord {
  /** Engine time. */
  readonly atMs: number;
  /** Empty where no request is behind it. */
  readonly requestId: string;
  /** Empty where nothing came of the request. */
  readonly allocationId: string;
  /** Of the allocation, or the one that it would have had; empty where that is not known. */
  readonly path: string;
  /** The node that was asked; empty at the top and where it is not known. */
  readonly parentId: string;
  readonly parentPath: string;
  readonly priority: Priority | undefined;
  /** What was asked, in words; empty where nobody asked. */
  readonly asked: string;
  readonly verdict: Verdict;
  /** What a policy that is tried would have made of it; its words stand beside those of the verdict. */
  readonly shadow?: ShadowVerdict;
}

/** Why, in one sentence. */
export function wordsOf({ parentPath, verdict }: Pick<DecisionRecord, "parentPath" | "verdict">): string {
  switch (verdict.decided) {
    case "GRANTED":
    case "GRANTED_IN_PART":
      return grantedWords(parentPath, verdict);
    case "QUEUED":
      return conflictWords(verdict.conflict);
    case "REFUSED":
      return refusalWords(verdict.refusal);
    case "PREEMPTED":
      return preemptedWords(verdict.preemption);
    case "LIMITS_CHANGED":
      return `limits changed: ${limitWords(verdict)}`;
    case "CLOSING":
    case "CLOSED":
      return `${verdict.decided === "CLOSED" ? "closed" : "closing"}: ${verdict.reason}`;
    case "IN_DOUBT":
      return doubtWords(verdict.holder, verdict.amounts);
    case "WRITTEN_OFF":
      return `written off: ${amountsText(verdict.amounts)} in doubt count as spent; ${verdict.reason}`;
    case "RESERVED":
    case "RESERVATION_ENDED":
      return reservedAheadWords(verdict);
    case "RESUMED":
      return isNothing(verdict.back) ? "goes on" : `goes on: ${amountsText(verdict.back)} that it gave are back`;
    case "TOPPED_UP":
      return `topped up: ${amountsText(verdict.by)} more, for its share of ${parentPath} is larger now`;
    default:
      return unreachable(verdict);
  }
}

function reservedAheadWords(verdict: Extract<Verdict, { readonly decided: "RESERVED" | "RESERVATION_ENDED" }>): string {
  if (verdict.decided === "RESERVATION_ENDED") {
    const { reservationId, cause, left } = verdict;
    const free = isNothing(left) || cause === "closed" ? "" : `, and ${amountsText(left)} of it are free again`;
    return `${overWords(reservationId, cause)}${free}`;
  }
  const { reservationId, name, amounts, startsInMs, lastsMs } = verdict;
  const when = startsInMs === 0 ? "from now on" : `from in ${startsInMs} ms on`;
  return `reserved as ${name} (${reservationId}): ${amountsText(amounts)} ${when}, for ${lastsMs} ms`;
}

type Granted = Extract<Verdict, { readonly decided: "GRANTED" | "GRANTED_IN_PART" }>;

function grantedWords(parentPath: string, verdict: Granted): string {
  const { decided, granted, lacking, pooled, waitedMs, sinceFirstMs, strategy } = verdict;
  const first = sinceFirstMs === undefined ? "" : ` (${sinceFirstMs} ms after its first attempt came)`;
  const waited = waitedMs === undefined ? "" : ` after waiting ${waitedMs} ms${first}`;
  const how = decided === "GRANTED" ? "in full" : "in part";
  const own = pooled ? "nothing to keep, drawn as calls need it" : "no amount of its own";
  const what = isNothing(granted) ? own : amountsText(granted);
  const less = isNothing(lacking) ? "" : `, ${amountsText(lacking)} less than wanted`;
  return `granted ${how}${waited}: ${what}${less}, out of ${parentPath} under ${strategyWords(strategy)}`;
}

/** How a preemption stands, and by whom. */
export function preemptedWords({
  preemptionId,
  mode,
  reason,
  reclaimed,
  pending,
  waitingOn,
}: PreemptionStanding): string {
  const how = mode === undefined ? "" : ` (${mode})`;
  const below = waitingOn === 0 ? "" : `, asked of ${waitingOn} held elsewhere`;
  const rest = isNothing(pending) ? "all that was wanted" : `${amountsText(pending)} still wanted${below}`;
  const why = reason === "" ? "" : `; ${reason}`;
  return `preempted${how} by ${preemptionId}: ${amountsText(reclaimed)} came back, ${rest}${why}`;
}

export function doubtWords(holder: string, amounts: Amounts): string {
  const what = isNothing(amounts) ? "nothing of it" : amountsText(amounts);
  return `the lease of ${holder === "" ? "its holder" : holder} ended unrenewed: ${what} in doubt, neither spendable nor lost until it is back or a person writes it off`;
}

/** The parts of a wish that its words tell. */
export type ToldWish =
  | Pick<OpenWish, "type" | "kind" | "limits" | "min" | "pooled" | "priority" | "waitMs" | "access">
  | Pick<RaiseWish, "type" | "by" | "min" | "waitMs">;

/** What a wish for budget asks for. */
export function wishWords(wish: ToldWish): string {
  const wait = wish.waitMs > 0 ? `, willing to wait ${wish.waitMs} ms` : "";
  if (wish.type === "raise") return `${amountsText(wish.by)} more${leastWords(wish.by, wish.min)}${wait}`;
  const { limits, kind, priority, pooled } = wish;
  const amounts = amountsOf(limits);
  const none = pooled.length > 0 ? "what its calls will need" : "no amount of its own";
  const what = isNothing(amounts) ? none : amountsText(amounts);
  return `${kind === "account" ? "an" : "a"} ${kind} with ${what}${leastWords(amounts, wish.min)}${named(wish.access)}, ${priority}${wait}`;
}

function named(access: OpenWish["access"]): string {
  return access === undefined || access.length === 0 ? "" : ` and ${accessText(access)}`;
}

function leastWords(wanted: Amounts, min: Amounts): string {
  const isLess = wanted.credits > min.credits || wanted.toolCalls > min.toolCalls;
  return isLess ? ` (at least ${amountsText({ ...wanted, credits: min.credits, toolCalls: min.toolCalls })})` : "";
}

/** What is to be reserved for later. */
export function reserveAheadWords({ name, amounts, startsInMs, lastsMs }: CommandOf<"reserve_ahead">): string {
  return `a reservation ${name} of ${amountsText(amounts)}, in ${startsInMs} ms, for ${lastsMs} ms`;
}

/** What a call wants set aside. */
export function callWords({ what, name, wanted, min }: CommandOf<"reserve">): string {
  const least = isNothing(monusAmounts(wanted, min)) ? "" : ` (at least ${amountsText(min)})`;
  return `${amountsText(wanted)}${least} for a call of ${what} ${name}`;
}
