/**
 * A node that divides its budget by weight: its pool of shares, with a seat for each child that takes part and for those who wait and whose
 * minimum has room. An index: all of it follows from the state, is built when it is first needed and kept in step by evolve.
 *
 * Who takes part: open children that are not in doubt. A child that closes or whose holder is silent keeps what it holds, which is not
 * divided; so is what pooled children hold, for they keep nothing free. Of what the node itself draws from above nothing is divided either.
 * What a child was asked to give back is not counted as held, and not as free before it has come.
 */
import { LIMITS } from "#std";
import { type Amount, add, addCapped, least, monus, most, ZERO } from "./amount.ts";
import { freeOf, isConsumable, isLimited } from "./free.ts";
import { bookOf, heldBookOf } from "./ledger.ts";
import {
  type Amounts,
  addAmounts,
  amountsOf,
  CONSUMABLES,
  type Consumable,
  leastAmounts,
  NOTHING,
  RESOURCES,
  type Resource,
} from "./resource.ts";
import {
  claimAs,
  claimFor,
  generalNeed,
  generalUsedBy,
  owedBy,
  raised,
  remaining,
  sameClaim,
  takenBy,
} from "./share-claims.ts";
import type { ShareWish } from "./share-wish.ts";
import type { Allocation, Waiter } from "./state.ts";
import { type Claim, floorsOf, type Room } from "./strategies/share-claim.ts";
import { type ShareBounds, SharePool } from "./strategies/share-pool.ts";
import type { Seat } from "./strategies/share-seat.ts";
import { sumOf } from "./tranches.ts";

/** Who sits on a seat. */
export type Sitter = { readonly child: Allocation } | { readonly waiter: Waiter };

interface Place {
  readonly sequence: number;
  readonly child: Allocation;
  seat: Seat | undefined;
  /** What it has of the node, the part that it was asked for included. */
  taken: Amounts;
  /** What it was asked for and has not given yet. */
  owed: Amounts;
  /** What it is known to have used and can never give back, where that was looked at. */
  floor: Amounts;
}

interface WaitingPlace {
  readonly claim: Claim;
  seat: Seat | undefined;
}

/** In the place of an amount: there is none, or nobody has counted. */
const [NONE, NOT_YET] = [-1, -2];
/** Those who wait without room are looked at for a seat only so often in vain. */
const SEATING_TRIES = 16;
/** Waiters come behind all children. */
const WAITERS_FROM = 2 ** 52;

export class SharedNode {
  readonly node: Allocation;
  readonly pool: SharePool;
  readonly #queue: () => Iterable<Waiter>;
  readonly #wishes: ReadonlyMap<Allocation, ShareWish>;
  readonly #children = new Map<Allocation, Place>();
  readonly #waiters = new Map<Waiter, WaitingPlace>();
  readonly #sitters = new Map<Seat, Sitter>();
  /** Those of the waiters that have seats. */
  readonly #seated = new Set<Waiter>();
  /** Children that were asked and have not given everything yet. */
  readonly #owing = new Set<Allocation>();
  #sequence = 0;
  #taken: Amounts = NOTHING;
  #owed: Amounts = NOTHING;
  /** What the pool was last told: of each resource in turn its room and its limit, NONE where it is not divided. */
  readonly #counted = new Float64Array(2 * RESOURCES.length).fill(NOT_YET);

  /** `queue`: those who wait, in the order in which they have their turn; default: as they wait at the node. */
  constructor(node: Allocation, wishes: ReadonlyMap<Allocation, ShareWish>, queue?: () => Iterable<Waiter>) {
    this.node = node;
    this.#queue = queue ?? (() => node.waiters);
    this.#wishes = wishes;
    this.pool = new SharePool({ room: this.#limits() });
    for (const child of node.children) this.follow(child, wishes.get(child));
    for (const waiter of node.waiters) this.addWaiter(waiter);
    this.sync(wishes);
  }

  /** Resources of which the node divides what it has. */
  divides(resource: Consumable): boolean {
    return isLimited(this.node, resource) && !this.node.pooled.includes(resource);
  }

  /** What children were asked for and have not given yet. */
  owed(resource: Consumable): Amount {
    return this.#owed[resource];
  }

  sitterAt(seat: Seat): Sitter | undefined {
    return this.#sitters.get(seat);
  }

  seatOf(who: Allocation | Waiter): Seat | undefined {
    return ("kind" in who && who.kind === "waiting" ? this.#waiters.get(who) : this.#children.get(who as Allocation))
      ?.seat;
  }

  /** Takes over what the books say. To be called before shares are asked for. */
  sync(wishes: ReadonlyMap<Allocation, ShareWish>): void {
    for (const child of [...this.#owing]) this.follow(child, wishes.get(child));
    this.#count();
    this.#seatWaiters();
    // To look at one may show another: who has used more than its share leaves less for the others.
    for (let found = this.#findUsers(); found.length > 0; found = this.#findUsers()) {
      for (const child of found) this.follow(child, wishes.get(child), usedBy(child));
      this.#seatWaiters();
    }
  }

  /** Children that have used more than their share, of the first resource of which there are such. */
  #findUsers(): Allocation[] {
    for (const resource of CONSUMABLES) {
      const found = this.divides(resource) ? this.#usedAbove(resource) : [];
      if (found.length > 0) return found;
    }
    return [];
  }

  #usedAbove(resource: Consumable): Allocation[] {
    const childOf = (seat: Seat) => {
      const sitter = this.#sitters.get(seat);
      return sitter && "child" in sitter ? sitter.child : undefined;
    };
    const seats = this.pool.usedAbove(resource, (seat) => {
      const child = childOf(seat);
      return child ? generalUsedBy(child, resource) : ZERO;
    });
    return seats.flatMap((seat) => childOf(seat) ?? []);
  }

  /** Counts what there is to divide. Mostly that is as it was: who comes takes what was free. */
  #count(): void {
    let isSame = true;
    for (let at = 0; at < RESOURCES.length; at += 1) {
      const resource = RESOURCES[at] as Resource;
      const [room, limit] = this.#isInPool(resource) ? [this.#roomOf(resource), this.#limitOf(resource)] : [NONE, NONE];
      if (this.#counted[2 * at] === room && this.#counted[2 * at + 1] === limit) continue;
      this.#counted[2 * at] = room;
      this.#counted[2 * at + 1] = limit;
      isSame = false;
    }
    if (isSame) return;
    const room: { -readonly [R in keyof Room]: Room[R] } = {};
    for (const resource of RESOURCES) if (this.#isInPool(resource)) room[resource] = this.#roomOf(resource);
    this.pool.resize({ room, totals: this.#limits() });
  }

  /** What is free of the resource, and what children have of it. */
  #roomOf(resource: Resource): Amount {
    const taken = this.#taken[resource];
    return add(least((LIMITS.amountMax - taken) as Amount, freeOf(this.node, resource)), taken);
  }

  /** Takes note of how a child stands now. */
  follow(child: Allocation, wish: ShareWish | undefined, floor?: Amounts): void {
    if (child.state === "closed") {
      this.#leave(this.#children.get(child));
      this.#children.delete(child);
      return;
    }
    const place = this.#children.get(child) ?? this.#placeFor(child);
    this.#children.set(child, place);
    place.floor = leastAmounts(floor ?? place.floor, usedBy(child));
    if (child.state !== "open" || child.doubtful) this.#leave(place);
    else this.#sit(place, this.claimOf(child, wish, place), child);
  }

  /** One who waits for an allocation of its own. Who waits for more for a child sits with it: then the child is to be followed. */
  addWaiter(waiter: Waiter): void {
    const { request, demand } = waiter;
    if (request.type !== "open" || waiter.shut === true || request.reservationId !== undefined) return;
    const { weight, priority } = request;
    const sequence = WAITERS_FROM + waiter.sequence;
    const min = generalNeed(demand.min, this.node, priority);
    const claim = claimFor({ weight, priority, min, max: demand.wanted, sequence });
    this.#waiters.set(waiter, { claim, seat: undefined });
  }

  removeWaiter(waiter: Waiter): void {
    this.#unseat(waiter);
    this.#waiters.delete(waiter);
  }

  /** In the order of the queue those have seats whose minima have room beside the children's and those of who sits already. */
  #seatWaiters(): void {
    if (this.#waiters.size === 0) return;
    const wanted = this.#toBeSeated();
    for (const waiter of [...this.#seated]) if (!wanted.has(waiter)) this.#unseat(waiter);
    for (const waiter of wanted) this.#seat(waiter);
  }

  #toBeSeated(): Set<Waiter> {
    const left = new Map(RESOURCES.map((resource) => [resource, this.pool.spare(resource)]));
    const take = (floors: Amounts, times: 1n | -1n) => {
      for (const [resource, spare] of left) {
        if (spare !== undefined) left.set(resource, spare - times * BigInt(floors[resource]));
      }
    };
    for (const waiter of this.#seated) take(this.#floorsOf(waiter), -1n);
    const seated = new Set<Waiter>();
    let looks = 0;
    for (const waiter of this.#queue()) {
      looks += 1;
      if (looks > LIMITS.shareScanMax || looks - seated.size > SEATING_TRIES) break;
      if (!this.#waiters.has(waiter)) continue;
      const floors = this.#floorsOf(waiter);
      const fits = RESOURCES.every((resource) => {
        const spare = left.get(resource);
        return spare === undefined || spare >= BigInt(floors[resource]);
      });
      if (!fits) continue;
      take(floors, 1n);
      seated.add(waiter);
    }
    return seated;
  }

  #floorsOf(waiter: Waiter): Amounts {
    const claim = this.#waiters.get(waiter)?.claim;
    return claim ? floorsOf(claim) : NOTHING;
  }

  #seat(waiter: Waiter): void {
    const place = this.#waiters.get(waiter);
    if (!place || place.seat) return;
    place.seat = this.pool.add(place.claim);
    this.#sitters.set(place.seat, { waiter });
    this.#seated.add(waiter);
  }

  #unseat(waiter: Waiter): void {
    const place = this.#waiters.get(waiter);
    this.#seated.delete(waiter);
    if (!place?.seat) return;
    this.pool.remove(place.seat);
    this.#sitters.delete(place.seat);
    place.seat = undefined;
  }

  /** What those with seats wait for who need all or nothing: their share does not depend on the others, and no gap tells of them. */
  wholeNeed(resource: Consumable): Amount {
    let need = ZERO;
    let looks = 0;
    for (const waiter of this.#seated) {
      looks += 1;
      if (looks > LIMITS.shareScanMax) break;
      const seat = this.#waiters.get(waiter)?.seat;
      if (seat && !seat.parts[resource]) need = addCapped(need, seat.claim.min[resource]);
    }
    return need;
  }

  /** The claim of a child, with what it waits to be raised by. */
  claimOf(
    child: Allocation,
    wish: ShareWish | undefined,
    { floor, sequence }: Pick<Place, "floor" | "sequence">,
  ): Claim {
    const claim = claimAs(child, { wish, floor, sequence });
    if (this.node.waiters.size === 0) return claim;
    const raises = this.node.waiters.raisesOf(child.id);
    if (raises.length === 0) return claim;
    return raised(
      claim,
      child,
      raises.reduce((by, { demand }) => addAmounts(by, demand.wanted), NOTHING),
    );
  }

  /** The shares that a claim would have among those who are here; in the place of a child's own, where one is named. Undefined: no room. */
  boundsFor(claim: Claim, child?: Allocation): ShareBounds | undefined {
    return this.with(claim, child, (seat) => this.pool.shareOf(seat));
  }

  /** Looks at the pool as it would be with that claim; undefined where it has no room. */
  with<T>(claim: Claim, child: Allocation | undefined, look: (seat: Seat) => T): T | undefined {
    const place = child && this.#children.get(child);
    const seat = place?.seat;
    if (seat) this.pool.remove(seat);
    const asked = child ? claimOfUser(claim, child) : claim;
    let seen: { readonly value: T } | undefined;
    while (!seen && !this.pool.refusalOf(asked)) {
      const tried = this.pool.add(asked, seat?.held);
      // What is seen must not depend on what was looked at before: beside it, too, nobody is below what he has used.
      const users = this.#findUsers();
      if (users.length === 0) seen = { value: look(tried) };
      this.pool.remove(tried);
      for (const user of users) this.follow(user, this.#wishes.get(user), usedBy(user));
    }
    if (place && seat) {
      this.#sitters.delete(seat);
      place.seat = this.pool.add(seat.claim, seat.held);
      this.#sitters.set(place.seat, { child: place.child });
    }
    return seen?.value;
  }

  #placeFor(child: Allocation): Place {
    this.#sequence += 1;
    return { sequence: this.#sequence, child, seat: undefined, taken: NOTHING, owed: NOTHING, floor: NOTHING };
  }

  #sit(place: Place, claim: Claim, child: Allocation): void {
    const taken = takenBy(child);
    const owed = owedBy(child);
    this.#note(place, taken, owed);
    const held = amountsOf({
      ...taken,
      credits: remaining(child, "credits", owed),
      toolCalls: remaining(child, "toolCalls", owed),
    });
    if (place.seat && sameClaim(place.seat.claim, claim)) this.pool.hold(place.seat, held);
    else {
      if (place.seat) {
        this.pool.remove(place.seat);
        this.#sitters.delete(place.seat);
      }
      place.seat = this.pool.add(claim, held);
      this.#sitters.set(place.seat, { child: place.child });
    }
  }

  #leave(place: Place | undefined): void {
    if (!place) return;
    this.#note(place, NOTHING, NOTHING);
    if (place.seat) {
      this.pool.remove(place.seat);
      this.#sitters.delete(place.seat);
      place.seat = undefined;
    }
  }

  #note(place: Place, taken: Amounts, owed: Amounts): void {
    this.#taken = moved(this.#taken, place.taken, taken);
    this.#owed = moved(this.#owed, place.owed, owed);
    place.taken = taken;
    place.owed = owed;
    if (owed === NOTHING) this.#owing.delete(place.child);
    else this.#owing.add(place.child);
  }

  #limits(): Room {
    const limits: { -readonly [R in keyof Room]: Room[R] } = {};
    for (const resource of RESOURCES) if (this.#isInPool(resource)) limits[resource] = this.#limitOf(resource);
    return limits;
  }

  #limitOf(resource: Resource): Amount {
    const { limit } = isConsumable(resource) ? bookOf(this.node, resource) : heldBookOf(this.node, resource);
    return resource === "credits" ? monus(limit, sumOf(this.node.tranches.carve)) : limit;
  }

  #isInPool(resource: keyof Amounts): boolean {
    return isConsumable(resource) ? this.divides(resource) : isLimited(this.node, resource);
  }
}

function usedBy(child: Allocation): Amounts {
  return amountsOf({ credits: generalUsedBy(child, "credits"), toolCalls: generalUsedBy(child, "toolCalls") });
}

/** The claim of a child that keeps what it has used. */
function claimOfUser(claim: Claim, child: Allocation): Claim {
  const used = usedBy(child);
  const min = (resource: Consumable) =>
    child.pooled.includes(resource) ? claim.min[resource] : most(claim.min[resource], used[resource]);
  return claimFor({ ...claim, min: { ...claim.min, credits: min("credits"), toolCalls: min("toolCalls") } });
}

function moved(sum: Amounts, from: Amounts, to: Amounts): Amounts {
  if (from === to) return sum;
  const at = (resource: keyof Amounts) => monus(add(sum[resource], to[resource]), from[resource]);
  return {
    credits: at("credits"),
    toolCalls: at("toolCalls"),
    branches: at("branches"),
    memoryBytes: at("memoryBytes"),
  };
}
