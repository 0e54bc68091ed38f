/**
 * Shares of one node's budget among its open children, kept up to date as claims come, change and go. Each change and each question costs
 * O(log n) steps for n claims. The rules are those of filled-pool.test-support.ts, this pool filled once; share-levels.ts says what two divisible
 * resources have to do with each other.
 *
 * What the pool promises, unless it is short (its claims need at least more than there is):
 * P1. Levels are exact. A share is told as the whole numbers around it, `least` and `most`, at most one unit apart.
 * P2. The `least` shares of all claims together never exceed what there is.
 * P3. No share is below its claim's `min` or above its `max`. Of a resource that cannot be divided a claim has its `max`.
 * P4. Who joined is never put below its `min` by who joins later: `refusalOf` says what has no room.
 * Of levels for several resources see share-claim.ts for the one rounding there is.
 */
import { assert, LIMITS } from "#std";
import { type Amount, least, monus, most, subtract, ZERO } from "../amount.ts";
import { type Amounts, CONSUMABLES, type Consumable, NOTHING, RESOURCES, type Resource } from "../resource.ts";
import { type Claim, faultOf, floorsOf, type Room, type ShareRefusal } from "./share-claim.ts";
import type { Fraction } from "./share-fraction.ts";
import { compareHeights, type WaterLevel } from "./share-level.ts";
import { type Basin, emptyBasin, type IdleBudget, type Levels, levelsOf } from "./share-levels.ts";
import { merged, ShareRanking } from "./share-ranking.ts";
import { boundsAt, isCoupled, type Part, partsOf, type Seat, type Standing } from "./share-seat.ts";

export interface SharePoolOptions {
  /** What there is to be divided among the claims, of each resource that is limited. */
  readonly room: Room;
  /** What dominant shares are parts of; default `room`. The same resources as in `room`. */
  readonly totals?: Room;
  /** Whether claims that have stopped are given what nobody else can use; default "shared". */
  readonly idle?: IdleBudget;
}

/** The whole numbers around a share. Of what is not limited, the wish. */
export interface ShareBounds {
  readonly least: Amounts;
  readonly most: Amounts;
}

/**
 * How much of a resource one holder has above its share, or lacks of it; as far as it was asked for. Only of claims that could do with less
 * than `max`: the others have theirs as a whole or not at all, and wait where they have not.
 */
export interface ShareGap {
  readonly seat: Seat;
  readonly amount: Amount;
}

export class SharePool {
  readonly #idle: IdleBudget;
  readonly #seats = new Set<Seat>();
  #room: Room;
  #totals: Room;
  #basins = emptyBasins();
  #rankings = emptyRankings();
  #seatNumber = 0;
  /** What all claims need at least, together. */
  #floors = nothingOfAll();
  /** The part of it that no level changes: what cannot be divided, and where `min` is `max`. */
  #fixed = nothingOfAll();
  #levels: { readonly [R in Consumable]: Levels } | undefined;

  constructor({ room, totals = room, idle = "shared" }: SharePoolOptions) {
    assert(limitsSame(room, totals), "room and totals are of the same resources");
    this.#room = room;
    this.#totals = totals;
    this.#idle = idle;
  }

  get size(): number {
    return this.#seats.size;
  }

  /** In the order in which they were added. */
  get seats(): Iterable<Seat> {
    return this.#seats;
  }

  /** Why the claim cannot be added beside the others: its own fault, or no room for its `min`. Undefined where it can. */
  refusalOf(claim: Claim): ShareRefusal | undefined {
    const fault = faultOf(claim);
    if (fault) return fault;
    const floors = floorsOf(claim);
    const resource = RESOURCES.find((r) => this.#lacks(r, BigInt(floors[r])));
    return resource && { code: "below_min", resource };
  }

  /** The first resource of which all claims need at least more than there is, which happens only where room was lowered. */
  get shortOf(): Resource | undefined {
    return RESOURCES.find((r) => this.#lacks(r, 0n));
  }

  /** What there is beyond all that is needed at least; below zero where it is not enough, undefined where it is not limited. */
  spare(resource: Resource): bigint | undefined {
    const room = this.#room[resource];
    return room === undefined ? undefined : BigInt(room) - this.#floors[resource];
  }

  /** Adds a claim, which must be a faultless one, and what it holds already; whether there is room is the caller's to ask before. */
  add(claim: Claim, held: Amounts = NOTHING): Seat {
    assert(!faultOf(claim), "a claim that is added is faultless");
    this.#seatNumber += 1;
    const seat: Seat = { claim, held, sequence: claim.sequence, number: this.#seatNumber, parts: {} };
    this.#seats.add(seat);
    this.#place(seat);
    return seat;
  }

  remove(seat: Seat): void {
    assert(this.#seats.delete(seat), "a seat is removed from the pool that it belongs to");
    this.#displace(seat);
  }

  /** Notes what a seat holds now. */
  hold(seat: Seat, held: Amounts): void {
    assert(this.#seats.has(seat), "a seat belongs to the pool");
    seat.held = held;
    for (const [resource, part] of partEntries(seat)) {
      const now = least(held[resource], part.max);
      if (part.held === now) continue;
      const ranking = this.#rankings[resource][classOf(seat)];
      ranking.remove(part);
      part.held = now;
      ranking.add(part);
    }
  }

  /**
   * Sets what there is to divide. Other `totals` change how fast claims of several limited resources fill, so that all of them are placed
   * anew: O(n log n), for changes of limits only. What is left out stays.
   */
  resize({ room, totals = this.#totals }: { readonly room: Room; readonly totals?: Room }): void {
    assert(limitsSame(room, totals), "room and totals are of the same resources");
    const isSame = hasSameRates(this.#totals, totals);
    this.#room = room;
    this.#totals = totals;
    this.#levels = undefined;
    if (!isSame) this.#placeAnew();
  }

  /** The share of a seat among all that are here now. */
  shareOf(seat: Seat): ShareBounds {
    const floors = floorsOf(seat.claim);
    const [low, high] = [{ ...floors }, { ...floors }];
    for (const resource of CONSUMABLES) {
      const part = seat.parts[resource];
      if (part) [low[resource], high[resource]] = boundsAt(part, this.levelOf(seat, resource));
      else if (this.#room[resource] === undefined) low[resource] = high[resource] = seat.claim.max[resource];
    }
    return { least: low, most: high };
  }

  /** Level of one seat in a resource in which it fills; undefined where it has its `max`. */
  levelOf(seat: Seat, resource: Consumable): Fraction | undefined {
    return this.levelsIn(resource)[classOf(seat)];
  }

  levelsIn(resource: Consumable): Levels {
    this.#levels ??= levelsOf({
      basins: this.#basins,
      amounts: { ...this.#amountIn("credits"), ...this.#amountIn("toolCalls") },
      totals: this.#totals,
      idle: this.#idle,
    });
    return this.#levels[resource];
  }

  /**
   * Who holds more than its share, by weight the highest first, each with what is above the share, until `wanted` is found. Left alone is who
   * is above it by no more than LIMITS.shareDeadZonePercent of the share. At most LIMITS.shareScanMax holders are looked at.
   */
  aboveShare(resource: Consumable, wanted: Amount): ShareGap[] {
    return this.#clearlyAbove(resource, wanted, ({ held }) => held);
  }

  /** The first who stand above their share in a resource, at most LIMITS.shareScanMax, and have used more than it: `usedBy` says how much. */
  usedAbove(resource: Consumable, usedBy: (seat: Seat) => Amount): Seat[] {
    const found: Seat[] = [];
    const rankings = this.#rankings[resource];
    for (const kind of ["coupled", "single"] as const) {
      const level = this.levelsIn(resource)[kind];
      if (!level) continue;
      let looks = 0;
      for (const { owner: part } of rankings[kind].above(level)) {
        looks += 1;
        if (looks > LIMITS.shareScanMax) break;
        const used = usedBy(part.seat);
        if (used <= part.min) continue;
        const [, high] = boundsAt(part, level);
        if (used > high) found.push(part.seat);
      }
    }
    return found;
  }

  /**
   * Who is to give for somebody who lacks `wanted`, each no more than it `can`: who is clearly above its share, as in `aboveShare`; and where
   * that does not come to so much, who stands above its share gives down to the lower edge of the dead zone, so that a few give enough and not
   * everybody a little.
   */
  givers(resource: Consumable, wanted: Amount, can: (seat: Seat) => Amount): ShareGap[] {
    const clear = this.#clearlyAbove(resource, wanted, ({ seat }) => can(seat));
    if (clear.reduce((sum, gap) => sum + gap.amount, 0) >= wanted) return clear;
    return this.#givers(resource, wanted, (part, [low]) => {
      const keeps = most(part.min, subtract(low, deadZoneOf(low)));
      return part.held > keeps ? least(monus(part.held, keeps), can(part.seat)) : ZERO;
    });
  }

  #clearlyAbove(resource: Consumable, wanted: Amount, can: (part: Part) => Amount): ShareGap[] {
    return this.#givers(resource, wanted, (part, [, high]) => {
      const above = monus(part.held, high);
      return isClear(above, high) ? least(above, can(part)) : ZERO;
    });
  }

  #givers(
    resource: Consumable,
    wanted: Amount,
    gapOf: (part: Part, bounds: readonly [Amount, Amount]) => Amount,
  ): ShareGap[] {
    const { coupled, single } = this.levelsIn(resource);
    const rankings = this.#rankings[resource];
    const order = merged(rankings.coupled.above(coupled), rankings.single.above(single), (a, b) =>
      compareHeights(b, a),
    );
    return gapsIn(order, wanted, (part) => gapOf(part, boundsAt(part, this.levelOf(part.seat, resource))));
  }

  /**
   * Who holds less than its share: first who has less than its `min`, then by weight the lowest, each with what it lacks, until `free` is
   * given out. The dead zone and the bound are those of `aboveShare`, but who has less than its `min` is never left alone.
   */
  belowShare(resource: Consumable, free: Amount): ShareGap[] {
    const { coupled, single } = this.levelsIn(resource);
    const rankings = this.#rankings[resource];
    const order = merged(rankings.coupled.below(coupled), rankings.single.below(single), compareHeights);
    return gapsIn(order, free, (part) => {
      const [low] = boundsAt(part, this.levelOf(part.seat, resource));
      const lack = monus(low, part.held);
      return part.held < part.min || isClear(lack, low) ? lack : ZERO;
    });
  }

  #lacks(resource: Resource, more: bigint): boolean {
    const room = this.#room[resource];
    return room !== undefined && this.#floors[resource] + more > BigInt(room);
  }

  /** What there is for the claims that fill in a resource. */
  #amountIn(resource: Consumable): { [R in Consumable]?: bigint } {
    const room = this.#room[resource];
    return room === undefined ? {} : { [resource]: BigInt(room) - this.#fixed[resource] };
  }

  #place(seat: Seat): void {
    seat.parts = partsOf(seat, this.#totals);
    this.#count(seat, 1n);
    for (const [resource, part] of partEntries(seat)) {
      this.#watersOf(resource, seat).map((water) => water.add(part));
      this.#rankings[resource][classOf(seat)].add(part);
    }
  }

  #displace(seat: Seat): void {
    this.#count(seat, -1n);
    for (const [resource, part] of partEntries(seat)) {
      this.#watersOf(resource, seat).map((water) => water.remove(part));
      this.#rankings[resource][classOf(seat)].remove(part);
    }
  }

  #placeAnew(): void {
    this.#basins = emptyBasins();
    this.#rankings = emptyRankings();
    this.#floors = nothingOfAll();
    this.#fixed = nothingOfAll();
    for (const seat of this.#seats) this.#place(seat);
  }

  #count(seat: Seat, times: bigint): void {
    const floors = floorsOf(seat.claim);
    for (const resource of RESOURCES) {
      const floor = times * BigInt(floors[resource]);
      this.#floors[resource] += floor;
      if (resource in seat.parts) continue;
      this.#fixed[resource] += floor;
    }
    this.#levels = undefined;
  }

  /** Where a seat counts in a resource. Only where both divisible resources can be used up do coupled and single claims have levels apart. */
  #watersOf(resource: Consumable, seat: Seat): WaterLevel[] {
    const { all, ...apart } = this.#basins[resource];
    return CONSUMABLES.every((r) => (this.#totals[r] ?? 0) > 0) ? [all, apart[classOf(seat)]] : [all];
  }
}

function classOf(seat: Seat): "coupled" | "single" {
  return isCoupled(seat) ? "coupled" : "single";
}

function partEntries({ parts }: Seat): [Consumable, Part][] {
  return CONSUMABLES.flatMap((resource): [Consumable, Part][] => {
    const part = parts[resource];
    return part ? [[resource, part]] : [];
  });
}

function emptyBasins(): { readonly [R in Consumable]: Basin } {
  return { credits: emptyBasin(), toolCalls: emptyBasin() };
}

interface Rankings {
  readonly coupled: ShareRanking;
  readonly single: ShareRanking;
}

function emptyRankings(): { readonly [R in Consumable]: Rankings } {
  const empty = () => ({ coupled: new ShareRanking(), single: new ShareRanking() });
  return { credits: empty(), toolCalls: empty() };
}

function nothingOfAll(): { [R in Resource]: bigint } {
  return { credits: 0n, toolCalls: 0n, branches: 0n, memoryBytes: 0n };
}

function limitsSame(a: Room, b: Room): boolean {
  return RESOURCES.every((r) => (a[r] === undefined) === (b[r] === undefined));
}

/** Whether claims fill as fast under other totals: always where there is one resource, for they say only what of several is dominant. */
function hasSameRates(a: Room, b: Room): boolean {
  const isThere = (totals: Room, r: Resource) => (totals[r] ?? 0) > 0;
  if (RESOURCES.some((r) => isThere(a, r) !== isThere(b, r))) return false;
  return RESOURCES.filter((r) => isThere(a, r)).length <= 1 || RESOURCES.every((r) => a[r] === b[r]);
}

/** Whether a gap is beyond the dead zone around a share. */
function isClear(gap: Amount, share: Amount): boolean {
  return BigInt(gap) * 100n > BigInt(share) * BigInt(LIMITS.shareDeadZonePercent);
}

/** The largest gap that is not clear. */
function deadZoneOf(share: Amount): Amount {
  return Number((BigInt(share) * BigInt(LIMITS.shareDeadZonePercent)) / 100n) as Amount;
}

/** Goes over holders until the gaps found come to `amount`. */
function gapsIn(order: Iterable<Standing>, amount: Amount, gapOf: (part: Part) => Amount): ShareGap[] {
  const gaps: ShareGap[] = [];
  let left = amount;
  let looks = 0;
  for (const { owner: part } of order) {
    if (left === 0 || looks === LIMITS.shareScanMax) break;
    looks += 1;
    const gap = least(gapOf(part), left);
    if (gap > 0) gaps.push({ seat: part.seat, amount: gap });
    left = subtract(left, gap);
  }
  return gaps;
}
