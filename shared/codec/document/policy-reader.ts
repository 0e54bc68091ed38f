/** Reads how the children of an account or a swarm compete: the strategy, and the bounds of its queue. */
import {
  type Policy,
  type PreemptionPolicy,
  percentsProblem,
  STRATEGIES,
  type StrategyName,
  PREEMPTION_MODES as WORST,
} from "#budget";
import { LIMITS } from "#std";
import { list, object, optional } from "./collections.ts";
import type { Place, Reader } from "./place.ts";
import { choice, duration, flag, whole } from "./scalars.ts";

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

export const strategy: Reader<StrategyName> = choice(STRATEGIES);

/** Whether a request may name the strategy that decides about it. */
export const requestMayChoose = optional("request_may_choose", flag);

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

/** To be tried where it is not so: that it is, and nothing else. */
const choosing: Reader<boolean> = (place) => {
  const said = flag(place);
  return said === false ? place.refuse("must be true: what is tried is that requests may choose") : said;
};

/** What is tried beside the policy in force: stated in the place of what that says. */
export interface ShadowSpec {
  readonly strategy?: StrategyName;
  readonly requestMayChoose?: boolean;
  readonly queue?: QueueSpec;
  readonly preemption?: PreemptionPolicy;
}

export const shadow: Reader<ShadowSpec> = object(
  {
    strategy: optional("strategy", strategy),
    requestMayChoose: optional("request_may_choose", choosing),
    queue: optional("queue", queue),
    preemption: optional("preemption", preemption),
  },
  (place) => {
    const { length } = place.entries() ?? [{}];
    if (length === 0) {
      place.refuse("must state what is to be tried: strategy, request_may_choose, queue or preemption");
    }
    if (place.peek(strategy, "strategy") === "FIRST_COME_FIRST_SERVED") refuseIdleQueue(place);
  },
);

/** What a document says of how the children of an account or swarm compete. */
export interface PolicySpec {
  /** Absent: as what is above says. */
  readonly strategy?: StrategyName;
  /** A request may name the strategy that decides about it. Default: it may not. */
  readonly requestMayChoose?: boolean;
  readonly queue?: QueueSpec;
  /** Told when so much of a limit is used; absent: inherited. */
  readonly lowBudgetPercents?: readonly number[];
  /** How preemption is damped; absent: inherited. */
  readonly preemption?: PreemptionPolicy;
  /** Tried, and not enforced; absent: inherited. */
  readonly shadow?: ShadowSpec;
}

/** The same as a policy of the engine. */
export function policyOfSpec(spec: PolicySpec): Policy {
  const { strategy, requestMayChoose, queue, lowBudgetPercents, preemption, shadow } = spec;
  return {
    ...(preemption === undefined ? {} : { preemption }),
    ...(lowBudgetPercents === undefined ? {} : { lowBudgetPercents }),
    ...(strategy === undefined ? {} : { strategy }),
    ...(requestMayChoose === true ? { requestMayChoose } : {}),
    ...(queue?.lengthMax === undefined ? {} : { queueLengthMax: queue.lengthMax }),
    ...(queue?.waitMaxMs === undefined ? {} : { queueWaitMsMax: queue.waitMaxMs }),
    ...(queue?.agingStepMs === undefined ? {} : { agingStepMs: queue.agingStepMs }),
    ...(shadow === undefined ? {} : { shadow: policyOfSpec(shadow) }),
  };
}

/** Reports a queue that would have no effect. `inherited`: the strategy of the nearest place above that states one. */
export function checkQueue(place: Place, inherited: StrategyName): StrategyName {
  const effective = place.peek(strategy, "strategy") ?? inherited;
  if (place.peek(strategy, "strategy") === "FIRST_COME_FIRST_SERVED") refuseIdleQueue(place);
  return effective;
}

/** A request that may choose may choose to wait. */
function refuseIdleQueue(place: Place): void {
  if (place.peek(flag, "request_may_choose") === true) return;
  const advice = "remove it or set strategy to PRIORITY_BASED or QUEUE_AND_WAIT";
  place.find("queue")?.refuse(`has no effect under FIRST_COME_FIRST_SERVED; ${advice}`);
}
