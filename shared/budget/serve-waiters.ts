/**
 * Serving those who wait at a node when budget comes free: first the claims for which something is set aside, then in the order of the queue
 * whoever fits and may go ahead of those before it that stay. Lanes in which nobody can be served any more are left out, however many wait
 * there; so waiting for one resource never hides who waits for another.
 */
import { LIMITS } from "#std";
import { notTakingWork } from "./conflict.ts";
import type { Draft } from "./draft.ts";
import { giveBack } from "./give-back.ts";
import { endsAtMs, Gate } from "./going-ahead.ts";
import { grant } from "./grant.ts";
import { dequeue, isToGoOn, tell } from "./queue.ts";
import { drawOn } from "./reservation-use.ts";
import { type Amounts, type Demand, isNothing, monusAmounts, NOTHING } from "./resource.ts";
import { type Portion, portionOf } from "./share-portion.ts";
import { sharedAt } from "./sharing.ts";
import type { Allocation, Waiter } from "./state.ts";
import { sightOfWish } from "./tranche-sight.ts";
import type { Found, Lanes, WaitQueue } from "./wait-queue.ts";
import { withClaimOf } from "./wait-queue.ts";

/** Answers those who wait at `node`; what was raised by it may serve others in turn (`raised`). */
export function serveQueue(draft: Draft, node: Allocation): Allocation[] {
  const raised: Allocation[] = [];
  if (node.waiters.size === 0 || notTakingWork(node, draft.nowMs)) return raised;
  const serving: Serving = { draft, node, gate: new Gate(node, draft.nowMs), raised };
  // What a claim had set aside and did not need is free for those that were passed over before.
  while (serveReserved(serving) || serveClaims(serving) || serveInOrder(serving));
  return raised;
}

interface Serving {
  readonly draft: Draft;
  readonly node: Allocation;
  readonly gate: Gate;
  readonly raised: Allocation[];
}

/** True when somebody was served. */
function serveClaims(serving: Serving): boolean {
  const { node } = serving;
  if (isNothing(node.waiters.earmarks.total)) return false;
  const { order, claims, earmarks } = node.waiters;
  // Few of those who claim have something set aside, and the marks of reservations are none of theirs.
  const marked = earmarks.entries().flatMap(([key]) => claims.get(key)?.waiter ?? []);
  let served = false;
  for (const waiter of marked.sort(order.compare)) {
    const own = node.waiters.earmarks.of(waiter.effectKey);
    if (isNothing(own)) continue;
    const { claimed } = node.waiters.before(waiter);
    if (isServed(serving, { waiter, claimed, own })) served = true;
  }
  return served;
}

/** A reservation that has begun, and how many who wait for it were looked at in vain. */
interface Begun {
  readonly id: string;
  inVain: number;
}

/** Those who take what they want out of reservations stand in nobody's way, and nobody in theirs. True when somebody was served. */
function serveReserved(serving: Serving): boolean {
  const { waiters } = serving.node;
  const { state, nowMs } = serving.draft;
  const begun: Begun[] = [];
  for (const id of waiters.awaited) {
    const startsAtMs = state.reservations.get(id)?.startsAtMs ?? Number.POSITIVE_INFINITY;
    if (startsAtMs <= nowMs) begun.push({ id, inVain: 0 });
  }
  let served = false;
  for (let next = firstOf(waiters, begun); next; next = firstOf(waiters, begun)) {
    const { claimed } = waiters.before(next.waiter);
    if (isServed(serving, { waiter: next.waiter, claimed, own: NOTHING })) served = true;
    else next.of.inVain += 1;
  }
  return served;
}

/** Of those who were not looked at yet the first in the order of the queue; who was looked at in vain stands before. */
function firstOf(
  waiters: WaitQueue,
  begun: readonly Begun[],
): { readonly of: Begun; readonly waiter: Waiter } | undefined {
  let first: { readonly of: Begun; readonly waiter: Waiter } | undefined;
  for (const of of begun) {
    const waiter = of.inVain < LIMITS.backfillScanMax ? waiters.reservingAt(of.id, of.inVain) : undefined;
    if (waiter && (!first || waiters.order.compare(waiter, first.waiter) < 0)) first = { of, waiter };
  }
  return first;
}

/** True when a claim was served, and so others may be again. */
function serveInOrder(serving: Serving): boolean {
  const { node, gate } = serving;
  const looks = new Looks(node.waiters.lanes);
  for (let rank = 0; ; ) {
    const found = node.waiters.next(rank, looks.open);
    if (!found) return false;
    rank = found.rank;
    const own = node.waiters.earmarks.of(found.waiter.effectKey);
    if (isServed(serving, { ...found, own })) {
      if (!isNothing(own)) return true;
      continue;
    }
    rank += 1;
    looks.passedOver(found);
    looks.open = gate.stillOpen(looks.open, withClaimOf(found.claimed, found.waiter));
  }
}

interface Turning {
  readonly waiter: Waiter;
  readonly claimed: Amounts;
  /** What is set aside for it. */
  readonly own: Amounts;
}

function isServed(serving: Serving, turning: Turning): boolean {
  const { draft, node, gate, raised } = serving;
  if (turning.waiter.shut === true) return false;
  const portion = portionFor(serving, turning);
  const demand = portion ? turning.waiter.demand : granted(serving, turning);
  if (!demand || portion?.short) return false;
  const { request, effectKey: key, fingerprint: print, arrivedAtMs } = turning.waiter;
  if (isToGoOn(request)) {
    giveBack(draft, node, turning.waiter);
    gate.taken();
    return true;
  }
  const preempted = gaveFor(node, key);
  dequeue(draft, turning.waiter, "granted");
  const weighing = { parent: node, wish: request, key, print, arrivedAtMs, ...(portion && { portion }) };
  const answer = grant(draft, weighing, demand);
  const isGrant = answer.type === "opened" || answer.type === "raised";
  tell(draft, request, isGrant && preempted.length > 0 ? { ...answer, preempted } : answer);
  gate.taken();
  const child = request.type === "raise" ? draft.state.allocations.get(request.allocationId) : undefined;
  if (child) raised.push(child);
  return true;
}

/** What it gets where budget is divided by weight; undefined: it is not. */
function portionFor({ draft, node }: Serving, { waiter, claimed }: Turning): Portion | undefined {
  const { request: wish, demand } = waiter;
  const shared = wish.reservationId === undefined ? sharedAt(draft.state, node) : undefined;
  if (!shared) return undefined;
  return portionOf(draft.state, shared, { wish, demand, claimed, waiter });
}

/** What it may be granted now: all of it, or just its minimum where that is set aside; undefined: it waits. */
function granted({ draft, node, gate }: Serving, { waiter, claimed, own }: Turning): Demand | undefined {
  const { demand, request, effectKey } = waiter;
  if (request.reservationId !== undefined) return drawOn(draft, node, { wish: request, demand, claimed }, gate).demand;
  const min = monusAmounts(demand.min, own);
  const sight = sightOfWish(draft.state, node, request);
  const ends = endsAtMs(draft.state, node, request, draft.nowMs);
  const ownKey = isNothing(own) ? undefined : effectKey;
  if (gate.room.shortOf(demand.min, { endsAtMs: ends, ownKey, sight })) return undefined;
  const beyond = isNothing(own) ? demand : { wanted: monusAmounts(demand.wanted, own), min };
  if (!gate.blockedBy({ demand: beyond, claimed, endsAtMs: ends, sight })) return demand;
  return isNothing(min) ? { wanted: demand.min, min: demand.min } : undefined;
}

/** In which lanes to go on looking, and how often it was in vain in each. */
class Looks {
  open: Lanes;
  readonly #inVain = new Map<number, number>();

  constructor(open: Lanes) {
    this.open = open;
  }

  /** Looking for backfill has an end; those further back have their turn when the queue has moved. */
  passedOver({ waiter: { lane } }: Found): void {
    const count = (this.#inVain.get(lane) ?? 0) + 1;
    this.#inVain.set(lane, count);
    if (count >= LIMITS.backfillScanMax) this.open &= ~(1 << lane);
  }
}

/** Who gave way to a claim, by its latest plan. */
function gaveFor({ waiters: { claims } }: Allocation, key: string): readonly string[] {
  const givers = claims.size === 0 ? undefined : claims.get(key)?.givers;
  return givers ? [...new Set(givers.map(({ allocationId }) => allocationId))].slice(0, LIMITS.victimsToldMax) : [];
}
