/** What a customer reserves for later, and uses, leaves or takes back. All of it is drawn apart, so that it does not change what else happens. */
import type { Client } from "#rpc";
import type { CoordinationService } from "../../../shared/gen/bursar/v1/coordination_service_pb.js";
import type { Chance } from "../world/chance.ts";

type Coordination = Client<typeof CoordinationService>;

export interface Reserving {
  readonly name: string;
  readonly chance: Chance;
  readonly coordination: Coordination;
  /** Asks until there is an answer or a refusal, which is undefined. */
  readonly persist: <T>(ask: () => Promise<T>) => Promise<T | undefined>;
  readonly tell: (what: string, about: string) => void;
}

interface Known {
  readonly id: string;
  /** As it was asked for: a path or an id. */
  readonly of: string;
}

/** So many are remembered, to be used. */
const KNOWN_MAX = 8;

export class Reservations {
  readonly #reserving: Reserving;
  readonly #known: Known[] = [];
  #count = 0;

  constructor(reserving: Reserving) {
    this.#reserving = reserving;
  }

  /** Reserves something of one of these, seldom; or takes one back. */
  async act(of: readonly string[]): Promise<void> {
    const { chance } = this.#reserving;
    if (of.length > 0 && chance.percent(25)) await this.#reserve(chance.pick(of));
    if (chance.percent(8)) await this.#cancel();
  }

  async #reserve(allocation: string): Promise<void> {
    const { name, chance, coordination, persist, tell } = this.#reserving;
    this.#count += 1;
    const requestId = `${name}-reserve-${this.#count}`;
    const amounts = { credits: BigInt(chance.pick([10, 100, 700])), toolCalls: chance.percent(20) ? 2n : 0n };
    const startsInMs = BigInt(chance.pick([0, 0, 500, 4_000, 20_000]));
    const times = { startsInMs, lastsMs: BigInt(chance.pick([300, 5_000, 30_000])) };
    const [earlier] = this.#known.filter(({ of }) => of === allocation);
    const after = earlier && chance.percent(20) ? { afterReservationId: earlier.id } : {};
    const request = { requestId, allocation, name: "ahead", amounts, ...times, ...after };
    const answer = await persist(() => coordination.createReservation(request));
    const id = answer?.reservation?.reservationId;
    if (id === undefined) return;
    tell(`has reserved ${amounts.credits} credits of ${allocation}, from in ${startsInMs} ms on, as ${id}`, id);
    this.#known.unshift({ id, of: allocation });
    if (this.#known.length > KNOWN_MAX) this.#known.pop();
  }

  async #cancel(): Promise<void> {
    const { chance, coordination, persist, tell } = this.#reserving;
    if (this.#known.length === 0) return;
    const { id: reservationId } = chance.pick(this.#known);
    tell(`takes ${reservationId} back`, reservationId);
    await persist(() => coordination.cancelReservation({ reservationId }));
  }

  /** To be spread into a request: most that may use one do. */
  outOf(allocation: string): { readonly reservationId?: string } {
    const found = this.#known.find(({ of }) => of === allocation);
    return found && this.#reserving.chance.percent(70) ? { reservationId: found.id } : {};
  }
}
