/** Who may be served at a node although others wait before it: the strategy's question, put with what the node knows. */
import type { GrantWish } from "./command.ts";
import { deadlineUnder } from "./demand.ts";
import { drawable, freeOf } from "./free.ts";
import { roomAtMs } from "./known-ends.ts";
import type { Under } from "./policy.ts";
import { type Amounts, type Demand, type HeldResource, isNothing, type Resource } from "./resource.ts";
import { RoomUntil } from "./room-until.ts";
import type { Allocation, BudgetState } from "./state.ts";
import { firstComeFirstServed } from "./strategies/first-come-first-served.ts";
import { type Passing, strategyAt, strategyNamed } from "./strategies/index.ts";
import { EVERYTHING, GENERAL, NO_TRANCHES, type Sight } from "./tranches.ts";
import type { Lanes, WaitQueue } from "./wait-queue.ts";
import { leastIn } from "./waiter.ts";

/** A request, and what those before it need. */
export interface GoingAhead {
  readonly demand: Demand;
  readonly claimed: Amounts;
  /** Engine time at which it would end; undefined: not known. */
  readonly endsAtMs: number | undefined;
  /** Which tranches it may draw; default: none. */
  readonly sight?: Sight;
}

/** Another strategy than the node's, and those who wait there in its order. */
export interface Tried {
  readonly under: Under;
  readonly waiters: WaitQueue;
}

/** When the work of a wish must have ended, if it were granted now: by the deadline it would have. */
export function endsAtMs(state: BudgetState, node: Allocation, wish: GrantWish, nowMs: number): number | undefined {
  if (wish.type === "open") return deadlineUnder(node, nowMs, wish.limits.durationMs);
  return state.allocations.get(wish.allocationId)?.deadlineAtMs;
}

/** What stands in the way of one request after another at a node whose books change only by what is granted to them. */
export class Gate {
  readonly #node: Allocation;
  readonly #nowMs: number;
  readonly #tried: Tried | undefined;
  readonly #roomAtMs = new Map<HeldResource, number | undefined>();
  #room: RoomUntil | undefined;

  /** `tried`: not as those wait there, but as they would. */
  constructor(node: Allocation, nowMs: number, tried?: Tried) {
    this.#node = node;
    this.#nowMs = nowMs;
    this.#tried = tried;
  }

  /** The resource because of which it must wait; undefined when it may go. */
  blockedBy({ demand, claimed, endsAtMs: ends, sight = GENERAL }: GoingAhead): Resource | undefined {
    const strategy = strategyNamed(strategyAt(this.#node, this.#tried?.under)) ?? firstComeFirstServed;
    const free = this.#freeUntil(drawable(this.#node, this.#sightPast(sight)), ends);
    const passing: Passing = { demand, claimed, free, endsAtMs: ends, roomAtMs: (resource) => this.#roomFor(resource) };
    return strategy.blockedBy(passing);
  }

  /** What is reserved for later may be used by those who have ended by then. */
  #freeUntil(free: Amounts, ends: number | undefined): Amounts {
    if (isNothing(this.#node.waiters.earmarks.ahead)) return free;
    const stay = { endsAtMs: ends };
    return { ...free, branches: this.room.of("branches", stay), memoryBytes: this.room.of("memoryBytes", stay) };
  }

  /** What of the node can be had until when, as it stands now. */
  get room(): RoomUntil {
    this.#room ??= new RoomUntil(this.#node, this.#nowMs);
    return this.#room;
  }

  /** General credits are drawn first, and those before it may wait for them: while there are any, nobody goes ahead by what only it sees. */
  #sightPast(sight: Sight): Sight {
    const { tranches } = this.#node;
    return tranches === NO_TRANCHES || freeOf(this.#node, "credits") > 0 ? GENERAL : sight;
  }

  /** Those of the lanes in which somebody may go ahead of those who claim this. */
  stillOpen(lanes: Lanes, claimed: Amounts): Lanes {
    let open = 0;
    const free = this.#freeUntil(drawable(this.#node, GENERAL), this.#nowMs);
    for (let lane = 0; lanes >> lane > 0; lane += 1) {
      if (((lanes >> lane) & 1) === 0) continue;
      const demand = leastIn(lane);
      const fits = demand.min.branches <= free.branches && demand.min.memoryBytes <= free.memoryBytes;
      // Whoever is there ends later than now.
      if (fits && !this.blockedBy({ demand, claimed, endsAtMs: this.#nowMs, sight: EVERYTHING })) open |= 1 << lane;
    }
    return open;
  }

  /** Something was granted. */
  taken(): void {
    this.#roomAtMs.clear();
    this.#room = undefined;
  }

  #roomFor(resource: HeldResource): number | undefined {
    if (this.#roomAtMs.has(resource)) return this.#roomAtMs.get(resource);
    const first = (this.#tried?.waiters ?? this.#node.waiters).firstInNeedOf(resource);
    const needed = first?.demand.min[resource] ?? 0;
    const room = roomAtMs({ node: this.#node, resource, needed, nowMs: this.#nowMs });
    this.#roomAtMs.set(resource, room);
    return room;
  }
}
