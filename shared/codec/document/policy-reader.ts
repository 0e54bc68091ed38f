/** Reads how the children of an account or a swarm compete: the strategy, and the bounds of its queue. */
import { type PreemptionPolicy, percentsProblem, STRATEGIES, type StrategyName, WORST_SERVED as WORST } from "#budget";
import { LIMITS } from "#std";
import { list, object, optional } from "./collections.ts";
import type { Place, Reader } from "./place.ts";
import { choice, duration, whole } from "./scalars.ts";

/** Bounds of a queue. What is absent takes the engine's default. */
export interface QueueSpec {
  /** Requests waiting, at most. */
  readonly lengthMax?: number;
  /** Longest wait in milliseconds. */
  readonly waitMaxMs?: number;
  /** Waiting time that raises a priority by one level, in milliseconds; also for what is below and states none. */
  readonly agingStepMs?: number;
}

/** How preemption is damped. What is absent is as usual. */
export const preemption: Reader<PreemptionPolicy> = object({
  worst: optional("worst", choice(WORST)),
  protectMs: optional("protect", time(LIMITS.victimTimesMsMax, "thirty days")),
  coolDownMs: optional("cool_down", time(LIMITS.victimTimesMsMax, "thirty days")),
  victimsPerRoundMax: optional("victims_per_round_max", whole({ min: 1, max: LIMITS.victimScanMax, unit: "victims" })),
  worthPercentMin: optional("worth_percent_min", whole({ min: 0, max: 100, unit: "percent" })),
  graceMs: optional("grace", time(LIMITS.graceMsMax, "ten minutes")),
});

function time(maxMs: number, most: string): Reader<number> {
  return (place) => {
    const ms = duration({ minMs: 0 })(place);
    return typeof ms === "number" && ms > maxMs ? place.refuse(`must be at most ${most}; got ${place.shown}`) : ms;
  };
}

/** The strategies that the engine serves; the other names are known and refused. */
const SERVED: readonly StrategyName[] = [
  "FIRST_COME_FIRST_SERVED",
  "PRIORITY_BASED",
  "PREEMPTION_ALLOWED",
  "QUEUE_AND_WAIT",
];

const servedStrategy = choice(SERVED);

/** A strategy that is served. */
export const strategy: Reader<StrategyName> = (place) => {
  const known = STRATEGIES.find((candidate) => candidate === place.text);
  if (known === undefined || SERVED.includes(known)) return servedStrategy(place);
  return place.refuse(`${known} is not served yet; use ${SERVED.join(" or ")}`);
};

/** Percentages of a limit that are used when its holder is told. */
export const lowBudgetPercents: Reader<readonly number[]> = (place) => {
  const percents = list(whole({ unit: "percent" }), { noun: "percentages", itemsMax: LIMITS.lowBudgetPercentsMax })(
    place,
  );
  const problem = typeof percents === "symbol" ? undefined : percentsProblem(percents);
  return problem === undefined ? percents : place.refuse(problem);
};

const agingStep: Reader<number> = (place) => {
  const stepMs = duration({ minMs: LIMITS.agingStepMsMin })(place);
  const isTooLong = typeof stepMs === "number" && stepMs > LIMITS.agingStepMsMax;
  return isTooLong ? place.refuse(`must be at most thirty days; got ${place.shown}`) : stepMs;
};

export const queue: Reader<QueueSpec> = object({
  lengthMax: optional("length_max", whole({ unit: "waiting requests" })),
  waitMaxMs: optional("wait_max", duration({ minMs: 0 })),
  agingStepMs: optional("aging_step", agingStep),
});

/** Reports a queue that would have no effect. `inherited`: the strategy of the nearest place above that states one. */
export function checkQueue(place: Place, inherited: StrategyName): StrategyName {
  const effective = place.peek(strategy, "strategy") ?? inherited;
  const stated = place.find("queue");
  const hasNone = effective === "FIRST_COME_FIRST_SERVED" && place.peek(strategy, "strategy") !== undefined;
  if (stated !== undefined && hasNone) {
    stated.refuse(`has no effect under ${effective}; remove it or set strategy to PRIORITY_BASED or QUEUE_AND_WAIT`);
  }
  return effective;
}
