/**
 * What of the branches and memory of a node can be given to work that runs until some time, when reservations are kept.
 *
 * A reservation that has not begun needs its room from its beginning on. Before, whoever has surely ended by then may have it: by the deadline
 * of its allocation. What has no deadline, is a call in flight, or is held by a daemon that is silent counts as never ending; so do all
 * children of a node with more than LIMITS.knownEndsScanMax. So there is room for new work of some size until some time if at the beginning of
 * each reservation before that time there is as much left beside those reservations that run then, and what has not ended by then.
 * What others use only falls from one beginning to the next, so that no other times need be looked at.
 */
import { LIMITS } from "#std";
import { type Amount, addCapped, least, monus, ZERO } from "./amount.ts";
import { freeOf } from "./free.ts";
import { heldBookOf } from "./ledger.ts";
import type { Reservation } from "./reservation.ts";
import { isReservationMark, markOf } from "./reservation-mark.ts";
import { type Amounts, HELD_RESOURCES, type HeldResource, isNothing, NOTHING } from "./resource.ts";
import { type Allocation, heldShare } from "./state.ts";
import type { Sight } from "./tranches.ts";
import { owedAbove } from "./unspent.ts";

/** Until when work runs, and out of which marks it has its room. */
export interface Staying {
  readonly nowMs: number;
  /** Engine time at which it has surely ended; undefined: nobody knows when. */
  readonly endsAtMs: number | undefined;
  /** What is set aside under this key is its own. */
  readonly ownKey?: string | undefined;
  /** Which tranches of the credits it may draw; default: none. */
  readonly sight?: Sight;
}

/** What is free from some time on. */
export interface FreeFrom {
  readonly atMs: number;
  readonly free: Amount;
}

/** What of the resource is free for work that stays so long: now, and at the beginning of each reservation while it runs. */
export function freeThrough(node: Allocation, resource: HeldResource, staying: Staying): FreeFrom[] {
  const { earmarks, reservations } = node.waiters;
  const { nowMs, endsAtMs = Number.POSITIVE_INFINITY, ownKey } = staying;
  const own = ownKey === undefined ? ZERO : earmarks.of(ownKey)[resource];
  if (earmarks.ahead[resource] === 0 || !mayLend(node, resource)) {
    return [{ atMs: nowMs, free: addCapped(freeOf(node, resource), own) }];
  }
  const found = [{ atMs: nowMs, free: addCapped(freeNow(node, resource), own) }];
  for (const { id, begun, startsAtMs } of reservations.values()) {
    if (begun || startsAtMs >= endsAtMs || markOf(id) === ownKey) continue;
    const atMs = Math.max(nowMs, startsAtMs);
    found.push({ atMs, free: freeAt(node, resource, { nowMs, atMs, ownKey }) });
  }
  return found;
}

/** How much of the resource work can have that stays so long; for many requests see room-until.ts. */
export function freeUntil(node: Allocation, resource: HeldResource, staying: Staying): Amount {
  return freeThrough(node, resource, staying).reduce(
    (found, { free }) => least(found, free),
    LIMITS.amountMax as Amount,
  );
}

/** Whether what is kept may be lent: not while a preemption wants such room (lend-kept.ts). */
export function mayLend(node: Allocation, resource: HeldResource): boolean {
  return owedAbove(node)[resource] === 0;
}

/** What is free now and set aside for nobody, whatever reservations need of it later. */
export function freeNow(node: Allocation, resource: HeldResource): Amount {
  const { limit, inUse, elastic } = heldBookOf(node, resource);
  if (elastic) return freeOf(node, resource);
  return monus((limit - inUse) as Amount, node.waiters.earmarks.total[resource]);
}

interface Moment {
  readonly nowMs: number;
  /** Now or later. */
  readonly atMs: number;
  readonly ownKey?: string | undefined;
}

/** What will be left at that time beside all reservations that run then, if nothing new comes. */
function freeAt(node: Allocation, resource: HeldResource, { nowMs, atMs, ownKey }: Moment): Amount {
  const { limit, inUse } = heldBookOf(node, resource);
  const { earmarks } = node.waiters;
  let left: number = limit - inUse + endedBy(node, resource, { nowMs, atMs });
  left -= earmarks.sumOf(resource, (key) => key !== ownKey && !isReservationMark(key));
  for (const reservation of node.waiters.reservations.values()) {
    if (markOf(reservation.id) !== ownKey && runsAt(reservation, atMs)) left -= reservation.left[resource];
  }
  return Math.max(0, left) as Amount;
}

export function runsAt({ startsAtMs, endsAtMs }: Reservation, atMs: number): boolean {
  return startsAtMs <= atMs && atMs < endsAtMs;
}

/** What those give back that have surely ended by then. */
function endedBy(node: Allocation, resource: HeldResource, { nowMs, atMs }: Moment): number {
  if (node.children.size > LIMITS.knownEndsScanMax) return 0;
  let back = 0;
  for (const child of node.children) if (isSureToEnd(child, nowMs, atMs)) back += heldShare(child, resource);
  return back;
}

/** Whether it has surely ended by then. */
export function isSureToEnd({ deadlineAtMs, doubtful }: Allocation, nowMs: number, byMs: number): boolean {
  return deadlineAtMs !== undefined && deadlineAtMs > nowMs && deadlineAtMs <= byMs && !doubtful;
}

/** The reservation of its parent that a child stands in the way of when its work runs until that time, later than now; undefined: none. */
export function hurtByStaying(child: Allocation, untilMs: number, nowMs: number): Reservation | undefined {
  const { parent: node, deadlineAtMs: untilNowMs = Number.POSITIVE_INFINITY } = child;
  if (!node || isNothing(node.waiters.earmarks.ahead)) return undefined;
  return [...node.waiters.reservations.values()].find(({ begun, startsAtMs }) => {
    const atMs = Math.max(nowMs, startsAtMs);
    if (begun || untilNowMs > atMs || atMs >= untilMs) return false;
    return HELD_RESOURCES.some((resource) => heldShare(child, resource) > freeAt(node, resource, { nowMs, atMs }));
  });
}

/** What reservations that have not begun need at once, at most. To be taken over into the marks whenever one of them comes, goes or begins. */
export function neededAhead(node: Allocation): Amounts {
  const pending = [...node.waiters.reservations.values()].filter(({ begun }) => !begun);
  if (pending.length === 0) return NOTHING;
  const peak = (resource: HeldResource): Amount => {
    let most: Amount = ZERO;
    for (const { startsAtMs } of pending) {
      let sum: Amount = ZERO;
      for (const one of pending) if (runsAt(one, startsAtMs)) sum = addCapped(sum, one.left[resource]);
      if (sum > most) most = sum;
    }
    return most;
  };
  const ahead = { ...NOTHING, branches: peak("branches"), memoryBytes: peak("memoryBytes") };
  return isNothing(ahead) ? NOTHING : ahead;
}

/** A reservation that is to be, or work that goes on: so much of each resource from one time to another. */
export interface Interval {
  readonly amounts: Amounts;
  readonly startsAtMs: number;
  /** Infinity: nobody knows when. */
  readonly endsAtMs: number;
}

/** The first resource of which there will not be so much all the time; undefined: there will. `claimed`: what is left out for others. */
export function shortBetween(
  node: Allocation,
  { amounts, startsAtMs, endsAtMs }: Interval,
  { nowMs, claimed = NOTHING }: { readonly nowMs: number; readonly claimed?: Amounts },
): HeldResource | undefined {
  const moments = [startsAtMs];
  for (const other of node.waiters.reservations.values()) {
    if (other.startsAtMs > startsAtMs && other.startsAtMs < endsAtMs) moments.push(other.startsAtMs);
  }
  const lacks = (resource: HeldResource): boolean =>
    amounts[resource] > 0 &&
    moments.some((atMs) => monus(freeAt(node, resource, { nowMs, atMs }), claimed[resource]) < amounts[resource]);
  return HELD_RESOURCES.find(lacks);
}

/**
 * The earliest beginning, none before its own, with which the interval has room by all that is known now; undefined: none is known. Looked
 * for where something ends: children at their deadlines and reservations at their ends.
 */
export function roomFromMs(
  node: Allocation,
  interval: Interval,
  options: { readonly nowMs: number; readonly claimed?: Amounts },
): number | undefined {
  const lastsMs = interval.endsAtMs - interval.startsAtMs;
  const ends = new Set<number>();
  for (const { endsAtMs } of node.waiters.reservations.values()) ends.add(endsAtMs);
  if (node.children.size <= LIMITS.knownEndsScanMax) {
    for (const child of node.children) if (child.deadlineAtMs !== undefined) ends.add(child.deadlineAtMs);
  }
  const later = [...ends].filter((atMs) => atMs > interval.startsAtMs).sort((a, b) => a - b);
  return later
    .slice(0, LIMITS.reservationLooksMax)
    .find((atMs) => !shortBetween(node, { ...interval, startsAtMs: atMs, endsAtMs: atMs + lastsMs }, options));
}
