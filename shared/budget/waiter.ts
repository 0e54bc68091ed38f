/** A request that waits at its parent for room, and what decides when its turn comes. */
import { type Amount, least, ZERO } from "./amount.ts";
import type { GrantWish } from "./command.ts";
import type { Priority } from "./policy.ts";
import { PRIORITIES } from "./policy.ts";
import { type Demand, RESOURCES, type Resource } from "./resource.ts";

/** What an order may look at; all of it is fixed while the request waits. */
export interface Turn {
  /** Rank of its base priority: 0 is LOW. */
  readonly base: number;
  /** Engine time of its first arrival: what was preempted and waits again has kept it. */
  readonly arrivedAtMs: number;
  /** Engine time at which its work must be done, counted from the first arrival; undefined: never. */
  readonly deadlineAtMs: number | undefined;
  /** Order in which requests began to wait at this daemon. */
  readonly sequence: number;
}

/** A request waiting at its parent for room. */
export interface Waiter extends Turn {
  readonly kind: "waiting";
  readonly effectKey: string;
  readonly parentId: string;
  readonly request: GrantWish;
  readonly demand: Demand;
  readonly lane: Lane;
  readonly fingerprint: number;
  readonly untilMs: number;
  /** Of one that wants names: it cannot have all of them now, and is passed over at its node as if it were not there; see evolve-access.ts. */
  shut?: boolean;
}

/** The rank of a priority: 0 is LOW. */
export function rankOfPriority(priority: Priority): number {
  return PRIORITIES.indexOf(priority);
}

/** A set of resources as bits, one for each in the order of RESOURCES. */
export type Lane = number;

/** The resources of which a demand wants something: whoever wants the same ones waits for the same. */
export function laneOf({ wanted }: Demand): Lane {
  return RESOURCES.reduce((lane, resource, bit) => (wanted[resource] > 0 ? lane | (1 << bit) : lane), 0);
}

const ONE = 1 as Amount;

/** The least that anyone in the lane demands: one of each of its resources, and what can be granted in part may be nothing. */
export function leastIn(lane: Lane): Demand {
  const one = (resource: Resource): Amount => least(ONE, ((lane >> RESOURCES.indexOf(resource)) & 1) as Amount);
  const wanted = {
    credits: one("credits"),
    toolCalls: one("toolCalls"),
    branches: one("branches"),
    memoryBytes: one("memoryBytes"),
  };
  return { wanted, min: { ...wanted, credits: ZERO, toolCalls: ZERO } };
}
