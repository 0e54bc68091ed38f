/** Strategies that a person sets while work goes on: with a change of limits, mostly none; or alone. Sometimes that of what is above. */
import type { Client } from "#rpc";
import { ConflictStrategy } from "../../../shared/gen/bursar/v1/allocation_pb.js";
import type { CoordinationService } from "../../../shared/gen/bursar/v1/coordination_service_pb.js";
import type { Chance } from "../world/chance.ts";

const CHOICES = [
  ConflictStrategy.UNSPECIFIED,
  ConflictStrategy.FIRST_COME_FIRST_SERVED,
  ConflictStrategy.PRIORITY_BASED,
  ConflictStrategy.PROPORTIONAL_SHARING,
  ConflictStrategy.PREEMPTION_ALLOWED,
  ConflictStrategy.QUEUE_AND_WAIT,
];

export function drawStrategy(chance: Chance): { readonly strategy?: ConflictStrategy } {
  return chance.percent(25) ? { strategy: chance.pick(CHOICES) } : {};
}

export interface Setting {
  readonly name: string;
  readonly chance: Chance;
  readonly coordination: Client<typeof CoordinationService>;
  /** Asks until there is an answer or a refusal, which is undefined. */
  readonly persist: <T>(ask: () => Promise<T>) => Promise<T | undefined>;
  readonly tell: (what: string, about: string) => void;
}

/** Changes of nothing but a strategy, which are seldom refused. All of it is drawn apart, so that it does not change what else happens. */
export class Strategies {
  readonly #setting: Setting;
  #count = 0;

  constructor(setting: Setting) {
    this.#setting = setting;
  }

  /** Sets that of one of these, seldom. */
  async act(of: readonly string[]): Promise<void> {
    const { name, chance, coordination, persist, tell } = this.#setting;
    if (of.length === 0 || !chance.percent(8)) return;
    this.#count += 1;
    const requestId = `${name}-strategy-${this.#count}`;
    const request = { requestId, allocationId: chance.pick(of), overrides: {}, strategy: chance.pick(CHOICES) };
    tell(`sets the strategy of ${request.allocationId}`, request.allocationId);
    await persist(() => coordination.updateLimits(request));
  }
}
