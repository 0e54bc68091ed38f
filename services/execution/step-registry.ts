/** The steps this daemon knows: running ones, and the latest ended ones for followers who come late. */
import { LIMITS } from "#std";
import type { StepWork } from "./step-work.ts";

export class StepRegistry {
  readonly #steps = new Map<string, StepWork>();
  readonly #ended: string[] = [];

  get(allocationId: string): StepWork | undefined {
    return this.#steps.get(allocationId);
  }

  add(step: StepWork): void {
    this.#steps.set(step.allocationId, step);
  }

  running(): StepWork[] {
    return [...this.#steps.values()].filter((step) => !step.feed.ended);
  }

  /** The step has ended; beyond the bound the oldest ended one is forgotten. */
  ended(allocationId: string): void {
    this.#ended.push(allocationId);
    const oldest = this.#ended.length > LIMITS.endedWorkMax ? this.#ended.shift() : undefined;
    if (oldest !== undefined) this.#steps.delete(oldest);
  }
}
