/**
 * What was decided and why, as a value, and the sentence that says it. The record is made when somebody wants to know; its words are the same
 * wherever they are read: in the message of an error, in a span event, in WatchDecisions and in `bursar why`.
 */
import { unreachable } from "#std";
import type { CommandOf, OpenWish, RaiseWish } from "./command.ts";
import { limitWords } from "./limit-words.ts";
import type { Conflict, Refusal } from "./outcome.ts";
import type { PreemptionMode, Priority } from "./policy.ts";
import { conflictWords, refusalWords } from "./refusal-words.ts";
import { type Amounts, amountsOf, isNothing, type Limits, monusAmounts } from "./resource.ts";
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
      readonly strategy: StrategyInForce;
    }
  | { readonly decided: "QUEUED"; readonly conflict: Conflict }
  | { readonly decided: "REFUSED"; readonly refusal: Refusal }
  | { readonly decided: "PREEMPTED"; readonly preemption: PreemptionStanding }
  | { readonly decided: "LIMITS_CHANGED"; readonly before: Limits; readonly after: Limits }
  | { readonly decided: "CLOSING" | "CLOSED"; readonly reason: string }
  | { readonly decided: "IN_DOUBT"; readonly holder: string; readonly amounts: Amounts }
  | { readonly decided: "WRITTEN_OFF"; readonly amounts: Amounts; readonly reason: string };

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
      return `limits changed: ${limitWords(verdict.before, verdict.after)}`;
    case "CLOSING":
    case "CLOSED":
      return `${verdict.decided === "CLOSED" ? "closed" : "closing"}: ${verdict.reason}`;
    case "IN_DOUBT":
      return doubtWords(verdict.holder, verdict.amounts);
    case "WRITTEN_OFF":
      return `written off: ${amountsText(verdict.amounts)} in doubt count as spent; ${verdict.reason}`;
    default:
      return unreachable(verdict);
  }
}

type Granted = Extract<Verdict, { readonly decided: "GRANTED" | "GRANTED_IN_PART" }>;

function grantedWords(parentPath: string, verdict: Granted): string {
  const { decided, granted, lacking, pooled, waitedMs, strategy } = verdict;
  const waited = waitedMs === undefined ? "" : ` after waiting ${waitedMs} ms`;
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
  | Pick<OpenWish, "type" | "kind" | "limits" | "min" | "pooled" | "priority" | "waitMs">
  | Pick<RaiseWish, "type" | "by" | "min" | "waitMs">;

/** What a wish for budget asks for. */
export function wishWords(wish: ToldWish): string {
  const wait = wish.waitMs > 0 ? `, willing to wait ${wish.waitMs} ms` : "";
  if (wish.type === "raise") return `${amountsText(wish.by)} more${leastWords(wish.by, wish.min)}${wait}`;
  const { limits, kind, priority, pooled } = wish;
  const amounts = amountsOf(limits);
  const none = pooled.length > 0 ? "what its calls will need" : "no amount of its own";
  const what = isNothing(amounts) ? none : amountsText(amounts);
  return `a ${kind} with ${what}${leastWords(amounts, wish.min)}, ${priority}${wait}`;
}

function leastWords(wanted: Amounts, min: Amounts): string {
  const isLess = wanted.credits > min.credits || wanted.toolCalls > min.toolCalls;
  return isLess ? ` (at least ${amountsText({ ...wanted, credits: min.credits, toolCalls: min.toolCalls })})` : "";
}

/** What a call wants set aside. */
export function callWords({ what, name, wanted, min }: CommandOf<"reserve">): string {
  const least = isNothing(monusAmounts(wanted, min)) ? "" : ` (at least ${amountsText(min)})`;
  return `${amountsText(wanted)}${least} for a call of ${what} ${name}`;
}
