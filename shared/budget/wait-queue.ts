/**
 * Those who wait at one node, in their order. Place, claims of those before, and "the first of these lanes" take O(log n); see RankedList.
 * A *lane* is the set of resources that a request wants something of: who is looked for in some lanes is found without looking at the
 * others, however many wait there.
 */
import { assert, type Measure, RankedList } from "#std";
import { addCapped, ZERO } from "./amount.ts";
import { type Claim, Claims, NO_CLAIMS } from "./claims.ts";
import { NO_ENTRIES, NO_LIST } from "./collections.ts";
import { Earmarks, NO_EARMARKS } from "./earmarks.ts";
import type { Reservation } from "./reservation.ts";
import { type Amounts, NOTHING, RESOURCES, type Resource } from "./resource.ts";
import { ARRIVAL_ORDER, type QueueOrder } from "./strategies/order.ts";
import type { Turn, Waiter } from "./waiter.ts";

/** What those who wait need at least, together, which stops at the largest amount; and the lanes they are in, one bit each. */
type Total = { -readonly [R in Resource]: Amounts[R] } & { lanes: number };

/** Several lanes as bits, one for each lane. */
export type Lanes = number;

const TOTALS: Measure<Waiter, Total> = {
  zero: () => ({ credits: ZERO, toolCalls: ZERO, branches: ZERO, memoryBytes: ZERO, lanes: 0 }),
  addItem: (total, waiter) => {
    if (!isCounted(waiter)) return;
    const { demand, lane } = waiter;
    for (const resource of RESOURCES) total[resource] = addCapped(total[resource], demand.min[resource]);
    total.lanes |= 1 << lane;
  },
  addTotal: (total, other) => {
    for (const resource of RESOURCES) total[resource] = addCapped(total[resource], other[resource]);
    total.lanes |= other.lanes;
  },
};

/** Only their order counts. */
const NO_TOTALS: Measure<Waiter, null> = { zero: () => null, addItem: () => {}, addTotal: () => {} };

/** How many have their turn before somebody, and what these need at least together. */
export interface Ahead {
  readonly rank: number;
  readonly claimed: Amounts;
}

export const NOBODY: Ahead = Object.freeze({ rank: 0, claimed: NOTHING });

/** One who waits, and those before it. */
export interface Found extends Ahead {
  readonly waiter: Waiter;
}

/** What a waiter needs at least beside what is claimed before it. */
export function withClaimOf(claimed: Amounts, { demand: { min } }: Waiter): Amounts {
  return {
    credits: addCapped(claimed.credits, min.credits),
    toolCalls: addCapped(claimed.toolCalls, min.toolCalls),
    branches: addCapped(claimed.branches, min.branches),
    memoryBytes: addCapped(claimed.memoryBytes, min.memoryBytes),
  };
}

/** Whether it is looked for, and holds up others: not one that wants names which it cannot have now, nor one that uses a reservation. */
function isCounted({ shut, request }: Waiter): boolean {
  return shut !== true && request.reservationId === undefined;
}

export class WaitQueue {
  readonly order: QueueOrder;
  /** What is set aside at the node. */
  earmarks: Earmarks = NO_EARMARKS;
  /** Those who wait and to whom others give way. */
  claims: Claims = NO_CLAIMS;
  /** What of the node is reserved for later, by id, the oldest first; a queue with some stays though nobody waits. */
  reservations: ReadonlyMap<string, Reservation> = NO_ENTRIES;
  /** Those who wait for what they take out of a reservation, by its id. */
  readonly #reserving = new Map<string, RankedList<Turn, Waiter, null>>();
  readonly #list: RankedList<Turn, Waiter, Total>;
  /** Those who wait for more for an allocation, by its id. */
  readonly #raises = new Map<string, Set<Waiter>>();

  constructor(order: QueueOrder, waiters: Iterable<Waiter> = []) {
    this.order = order;
    this.#list = new RankedList({ compare: order.compare, measure: TOTALS });
    for (const waiter of waiters) this.add(waiter);
  }

  get size(): number {
    return this.#list.size;
  }

  /** The same queue in another order. */
  reordered(order: QueueOrder): WaitQueue {
    const queue = new WaitQueue(order, this);
    queue.earmarks = this.earmarks;
    queue.claims = this.claims;
    queue.reservations = this.reservations;
    return queue;
  }

  /** One of those who wait becomes a claim. */
  claim(claim: Claim): void {
    if (this.claims === NO_CLAIMS) this.claims = new Claims();
    if (this.earmarks === NO_EARMARKS) this.earmarks = new Earmarks();
    this.claims.add(claim);
  }

  /** The lanes in which somebody waits. */
  get lanes(): Lanes {
    return this.#list.total.lanes;
  }

  add(waiter: Waiter): void {
    assert(this !== NO_QUEUE, "nobody may wait in the queue that all nodes share");
    this.#list.add(waiter);
    const { request } = waiter;
    if (request.reservationId !== undefined) this.#reserve(request.reservationId, waiter);
    if (request.type !== "raise") return;
    const raises = this.#raises.get(request.allocationId) ?? new Set();
    this.#raises.set(request.allocationId, raises.add(waiter));
  }

  remove(waiter: Waiter): void {
    this.#list.remove(waiter);
    const { request } = waiter;
    if (request.reservationId !== undefined) this.#unreserve(request.reservationId, waiter);
    if (request.type !== "raise") return;
    const raises = this.#raises.get(request.allocationId);
    assert(raises?.delete(waiter) === true, `${waiter.effectKey} waits for more and is not known to`);
    if (raises.size === 0) this.#raises.delete(request.allocationId);
  }

  #reserve(id: string, waiter: Waiter): void {
    const known = this.#reserving.get(id);
    const list = known ?? new RankedList<Turn, Waiter, null>({ compare: this.order.compare, measure: NO_TOTALS });
    if (!known) this.#reserving.set(id, list);
    list.add(waiter);
  }

  #unreserve(id: string, waiter: Waiter): void {
    const list = this.#reserving.get(id);
    list?.remove(waiter);
    if (list?.size === 0) this.#reserving.delete(id);
  }

  /** Its names are to be had or not: it keeps its place, and counts for the others only while they are. */
  setShut(waiter: Waiter, shut: boolean): void {
    this.remove(waiter);
    waiter.shut = shut;
    this.add(waiter);
  }

  /** How many have their turn before this one, which need not wait here, and what these need at least together. */
  before(turn: Turn): Ahead {
    const { rank, before } = this.#list.placeOf(turn);
    return { rank, claimed: before };
  }

  /** The first in one of these lanes, of rank `from` or later. */
  next(from: number, lanes: Lanes): Found | undefined {
    const found = this.#list.find(from, {
      among: (total) => (total.lanes & lanes) !== 0,
      is: (waiter) => isCounted(waiter) && ((lanes >> waiter.lane) & 1) === 1,
    });
    return found && { waiter: found.item, rank: found.rank, claimed: found.before };
  }

  /** The first who needs something of this resource. */
  firstInNeedOf(resource: Resource): Waiter | undefined {
    const among = (total: Amounts) => total[resource] > 0;
    return this.#list.find(0, { among, is: (waiter) => isCounted(waiter) && waiter.demand.min[resource] > 0 })?.item;
  }

  /** Reservations out of which somebody waits to take something. */
  get awaited(): Iterable<string> {
    return this.#reserving.keys();
  }

  /** Those who wait for what they take out of this reservation, in their order. */
  reserving(id: string): Iterable<Waiter> {
    return this.#reserving.get(id) ?? NO_LIST;
  }

  /** The one of this rank among them, from 0. */
  reservingAt(id: string, rank: number): Waiter | undefined {
    return this.#reserving.get(id)?.at(rank);
  }

  /** Those who wait for more for this allocation, in the order in which they came. */
  raisesOf(allocationId: string): Waiter[] {
    const raises = this.#raises.get(allocationId);
    // A queue that was made anew has taken them in in the order of their turns.
    return raises ? [...raises].sort((a, b) => a.sequence - b.sequence) : [];
  }

  [Symbol.iterator](): Iterator<Waiter> {
    return this.#list[Symbol.iterator]();
  }
}

/** The queue of every node where nobody waits; nothing may be added to it. */
export const NO_QUEUE: WaitQueue = new WaitQueue(ARRIVAL_ORDER);
