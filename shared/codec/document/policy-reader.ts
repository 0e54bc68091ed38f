/** Reads how the children of an account or a swarm compete: the strategy, and the bounds of its queue. */
import { STRATEGIES, type StrategyName } from "#budget";
import { object, optional } from "./collections.ts";
import type { Place, Reader } from "./place.ts";
import { choice, duration, whole } from "./scalars.ts";

/** Bounds of a queue. What is absent takes the engine's default. */
export interface QueueSpec {
  /** Requests waiting, at most. */
  readonly lengthMax?: number;
  /** Longest wait in milliseconds. */
  readonly waitMaxMs?: number;
}

/** The strategies that the engine serves; the other names are known and refused. */
const SERVED: readonly StrategyName[] = ["FIRST_COME_FIRST_SERVED", "QUEUE_AND_WAIT"];

const servedStrategy = choice(SERVED);

/** A strategy that is served. */
export const strategy: Reader<StrategyName> = (place) => {
  const known = STRATEGIES.find((candidate) => candidate === place.text);
  if (known === undefined || SERVED.includes(known)) return servedStrategy(place);
  return place.refuse(`${known} is not served yet; use ${SERVED.join(" or ")}`);
};

export const queue: Reader<QueueSpec> = object({
  lengthMax: optional("length_max", whole({ unit: "waiting requests" })),
  waitMaxMs: optional("wait_max", duration({ minMs: 0 })),
});

/** Reports a queue that would have no effect. `inherited`: the strategy of the nearest place above that states one. */
export function checkQueue(place: Place, inherited: StrategyName): StrategyName {
  const effective = place.peek(strategy, "strategy") ?? inherited;
  const stated = place.find("queue");
  if (stated !== undefined && effective !== "QUEUE_AND_WAIT" && place.peek(strategy, "strategy") !== undefined) {
    stated.refuse(`has no effect under ${effective}; remove it or set strategy to QUEUE_AND_WAIT`);
  }
  return effective;
}
