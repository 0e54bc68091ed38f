/**
 * What a claim lacks, and from when on. Where branches or memory are reserved for later, work that stays needs room at each beginning too; and
 * who ends by its own deadline before then gives nothing for that time, however soon it is stopped. So there is one question for each time
 * at which something is lacking, with what everybody would have then. All of them must have an answer before anybody is asked. The one for
 * the latest time is carried out first: what comes of it counts at all times before.
 */
import { LIMITS } from "#std";
import type { Amount } from "./amount.ts";
import { type FreeFrom, isSureToEnd } from "./reservation-calendar.ts";
import {
  type Amounts,
  HELD_RESOURCES,
  type HeldResource,
  isNothing,
  monusAmounts,
  mostAmounts,
  NOTHING,
} from "./resource.ts";
import type { BudgetState } from "./state.ts";
import type { VictimCandidate } from "./strategies/victim-plan-candidate.ts";

/** Lacking from then on. */
export interface Lack {
  readonly atMs: number;
  readonly needed: Amounts;
}

export interface Lacking {
  readonly nowMs: number;
  /** Credits and tool calls, which do not come back. */
  readonly spent: Amounts;
  /** What is lacking of the resource where so much is free. */
  lackOf(resource: HeldResource, free: Amount): Amount;
  freeThrough(resource: HeldResource): readonly FreeFrom[];
}

/** The latest first; none that is met with a later one. Nothing is lacking: none. */
export function lacksOf({ nowMs, spent, lackOf, freeThrough }: Lacking): Lack[] {
  const byTime = new Map<number, Amounts>([[nowMs, spent]]);
  for (const resource of HELD_RESOURCES) {
    for (const { atMs, free } of freeThrough(resource)) {
      const lack = lackOf(resource, free);
      if (lack === 0) continue;
      const known = byTime.get(atMs) ?? spent;
      byTime.set(atMs, { ...known, [resource]: lack > known[resource] ? lack : known[resource] });
    }
  }
  const found: Lack[] = [];
  for (const [atMs, needed] of [...byTime].sort(([a], [b]) => b - a)) {
    if (!found.some((later) => isNothing(monusAmounts(needed, later.needed)))) found.push({ atMs, needed });
  }
  return found.filter(({ needed }) => !isNothing(needed));
}

/** All of it in one plan, by those who are there to the end: for one who does not wait for a second. */
export function atOnce(lacks: readonly Lack[]): Lack[] {
  const [latest] = lacks;
  if (!latest) return [];
  return [{ atMs: latest.atMs, needed: lacks.reduce((most, { needed }) => mostAmounts(most, needed), NOTHING) }];
}

/** The candidate as it would be then: what has ended by itself gives neither slots nor memory. */
export function asOf(
  { allocations }: BudgetState,
  candidate: VictimCandidate,
  { nowMs, atMs }: { readonly nowMs: number; readonly atMs: number },
): VictimCandidate {
  const child = allocations.get(candidate.id);
  // Of so many nothing is known, in what is free then neither.
  const isKnown = (child?.parent?.children.size ?? 0) <= LIMITS.knownEndsScanMax;
  if (!child || !isKnown || !isSureToEnd(child, nowMs, atMs)) return candidate;
  const { unspent, byPause, byStop } = candidate;
  return {
    ...candidate,
    unspent: consumables(unspent),
    byPause: byPause && consumables(byPause),
    byStop: byStop && consumables(byStop),
  };
}

function consumables({ credits, toolCalls }: Amounts): Amounts {
  return { ...NOTHING, credits, toolCalls };
}
