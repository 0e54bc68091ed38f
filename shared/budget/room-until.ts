/**
 * How much of branches and memory can be had at one node by work that stays for some time (reservation-calendar.ts says what that is), worked
 * out once for many requests: one pass over the children, and one over the reservations for each of them. It holds as long as nothing
 * changes at the node.
 */
import { LIMITS } from "#std";
import { type Amount, addCapped, least, ZERO } from "./amount.ts";
import { freeOf, shortOf } from "./free.ts";
import { heldBookOf } from "./ledger.ts";
import type { Reservation } from "./reservation.ts";
import { freeNow, isSureToEnd, mayLend, runsAt, type Staying } from "./reservation-calendar.ts";
import { isReservationMark, markOf } from "./reservation-mark.ts";
import type { Resource } from "./resource.ts";
import { type Amounts, HELD_RESOURCES, type HeldResource, isNothing, monusAmounts, NOTHING } from "./resource.ts";
import { type Allocation, heldShare } from "./state.ts";
import { GENERAL } from "./tranches.ts";

type Stay = Omit<Staying, "nowMs">;

/** From a beginning on so much is there at the least, counted from now. */
interface Step {
  readonly startsAtMs: number;
  readonly free: Amount;
}

/** What those give back, together, that have surely ended by then. */
interface Ended {
  readonly atMs: number;
  readonly back: { readonly [R in HeldResource]: number };
}

interface Steps {
  readonly now: Amount;
  /** By their beginnings; what is free falls from one to the next, for it is the least so far. */
  readonly later: readonly Step[];
}

export class RoomUntil {
  readonly #node: Allocation;
  readonly #nowMs: number;
  /** Of requests that use nothing that is set aside, and of those that use a reservation. */
  readonly #steps = new Map<string, Steps>();
  #ended: readonly Ended[] | undefined;
  #pending: readonly Reservation[] | undefined;

  constructor(node: Allocation, nowMs: number) {
    this.#node = node;
    this.#nowMs = nowMs;
  }

  /** How much of the resource work can have that stays so long. */
  of(resource: HeldResource, { endsAtMs = Number.POSITIVE_INFINITY, ownKey }: Stay): Amount {
    const { earmarks } = this.#node.waiters;
    if (earmarks.ahead[resource] === 0) {
      const own = ownKey === undefined ? ZERO : earmarks.of(ownKey)[resource];
      return addCapped(freeOf(this.#node, resource), own);
    }
    const { now, later } = this.#stepsOf(resource, ownKey);
    let found = now;
    for (const { startsAtMs, free } of later) {
      if (startsAtMs >= endsAtMs) break;
      found = free;
    }
    return found;
  }

  /** The first resource of which `min` cannot be had by work that stays so long. */
  shortOf(min: Amounts, { sight = GENERAL, ...stay }: Stay): Resource | undefined {
    const { earmarks } = this.#node.waiters;
    const beyond = stay.ownKey === undefined ? min : monusAmounts(min, earmarks.of(stay.ownKey));
    if (isNothing(earmarks.ahead)) return shortOf(this.#node, beyond, sight);
    const { credits, toolCalls } = beyond;
    const scarce = shortOf(this.#node, { ...NOTHING, credits, toolCalls }, sight);
    return scarce ?? HELD_RESOURCES.find((resource) => min[resource] > this.of(resource, stay));
  }

  #stepsOf(resource: HeldResource, ownKey: string | undefined): Steps {
    const key = `${resource} ${ownKey ?? ""}`;
    const known = this.#steps.get(key);
    if (known) return known;
    const steps = this.#count(resource, ownKey);
    // Of claims there may be many, and each looks once.
    if (ownKey === undefined || isReservationMark(ownKey)) this.#steps.set(key, steps);
    return steps;
  }

  #count(resource: HeldResource, ownKey: string | undefined): Steps {
    const node = this.#node;
    const { earmarks, reservations } = node.waiters;
    const own = ownKey === undefined ? ZERO : earmarks.of(ownKey)[resource];
    if (!mayLend(node, resource)) return { now: addCapped(freeOf(node, resource), own), later: [] };
    const now = addCapped(freeNow(node, resource), own);
    const { limit, inUse } = heldBookOf(node, resource);
    const there = limit - inUse - earmarks.sumOf(resource, (key) => key !== ownKey && !isReservationMark(key));
    const others = [...reservations.values()].filter(({ id }) => markOf(id) !== ownKey);
    let [found, at] = [now, 0];
    let back = 0;
    const later: Step[] = [];
    for (const { id, startsAtMs } of this.#beginnings()) {
      if (markOf(id) === ownKey) continue;
      const atMs = Math.max(this.#nowMs, startsAtMs);
      for (let ended = this.#ends()[at]; ended && ended.atMs <= atMs; ended = this.#ends()[++at])
        back = ended.back[resource];
      let left = there + back;
      for (const other of others) if (runsAt(other, atMs)) left -= other.left[resource];
      found = least(found, Math.max(0, left) as Amount);
      later.push({ startsAtMs, free: found });
    }
    return { now, later };
  }

  /** Those that have not begun, by their beginnings. */
  #beginnings(): readonly Reservation[] {
    this.#pending ??= [...this.#node.waiters.reservations.values()]
      .filter(({ begun }) => !begun)
      .sort((a, b) => a.startsAtMs - b.startsAtMs);
    return this.#pending;
  }

  #ends(): readonly Ended[] {
    this.#ended ??= endsOf(this.#node, this.#nowMs);
    return this.#ended;
  }
}

function endsOf({ children }: Allocation, nowMs: number): Ended[] {
  if (children.size > LIMITS.knownEndsScanMax) return [];
  const sure: Allocation[] = [];
  for (const child of children) if (isSureToEnd(child, nowMs, Number.POSITIVE_INFINITY)) sure.push(child);
  sure.sort((a, b) => (a.deadlineAtMs ?? 0) - (b.deadlineAtMs ?? 0));
  let [branches, memoryBytes] = [0, 0];
  return sure.map((child) => {
    branches += heldShare(child, "branches");
    memoryBytes += heldShare(child, "memoryBytes");
    return { atMs: child.deadlineAtMs ?? 0, back: { branches, memoryBytes } };
  });
}
