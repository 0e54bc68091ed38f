/** Who may be served at a node although others wait before it: the strategy's question, put with what the node knows. */
import type { GrantWish } from "./command.ts";
import { deadlineUnder } from "./demand.ts";
import { drawable } from "./free.ts";
import { roomAtMs } from "./known-ends.ts";
import type { Amounts, Demand, HeldResource, Resource } from "./resource.ts";
import type { Allocation, BudgetState } from "./state.ts";
import { firstComeFirstServed } from "./strategies/first-come-first-served.ts";
import { type Passing, strategyAt, strategyNamed } from "./strategies/index.ts";
import type { Lanes } from "./wait-queue.ts";
import { leastIn } from "./waiter.ts";

/** A request, and what those before it need. */
export interface GoingAhead {
  readonly demand: Demand;
  readonly claimed: Amounts;
  /** Engine time at which it would end; undefined: not known. */
  readonly endsAtMs: number | undefined;
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
  readonly #roomAtMs = new Map<HeldResource, number | undefined>();

  constructor(node: Allocation, nowMs: number) {
    this.#node = node;
    this.#nowMs = nowMs;
  }

  /** The resource because of which it must wait; undefined when it may go. */
  blockedBy({ demand, claimed, endsAtMs: ends }: GoingAhead): Resource | undefined {
    const strategy = strategyNamed(strategyAt(this.#node)) ?? firstComeFirstServed;
    const free = drawable(this.#node);
    const passing: Passing = { demand, claimed, free, endsAtMs: ends, roomAtMs: (resource) => this.#roomFor(resource) };
    return strategy.blockedBy(passing);
  }

  /** Those of the lanes in which somebody may go ahead of those who claim this. */
  stillOpen(lanes: Lanes, claimed: Amounts): Lanes {
    let open = 0;
    const free = drawable(this.#node);
    for (let lane = 0; lanes >> lane > 0; lane += 1) {
      if (((lanes >> lane) & 1) === 0) continue;
      const demand = leastIn(lane);
      const fits = demand.min.branches <= free.branches && demand.min.memoryBytes <= free.memoryBytes;
      // Whoever is there ends later than now.
      if (fits && !this.blockedBy({ demand, claimed, endsAtMs: this.#nowMs })) open |= 1 << lane;
    }
    return open;
  }

  /** Something was granted. */
  taken(): void {
    this.#roomAtMs.clear();
  }

  #roomFor(resource: HeldResource): number | undefined {
    if (this.#roomAtMs.has(resource)) return this.#roomAtMs.get(resource);
    const first = this.#node.waiters.firstInNeedOf(resource);
    const needed = first?.demand.min[resource] ?? 0;
    const room = roomAtMs({ node: this.#node, resource, needed, nowMs: this.#nowMs });
    this.#roomAtMs.set(resource, room);
    return room;
  }
}
