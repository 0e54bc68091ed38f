/** Who is told that the budget of a step runs low: its own, by the loop here, or the one that it draws on, by the tier above. */
import { type DaemonBase, lowBudgetOf, traceLowBudget } from "#daemon";
import type { LowBudget, TraceContext } from "#ports";
import { assert, LIMITS } from "#std";

/** `allocationId`: the step's, which may draw on the node that `low` speaks of. */
type Listener = (allocationId: string, low: LowBudget) => void;

export interface LowBudgetsOptions {
  readonly base: Pick<DaemonBase, "loop" | "telemetry">;
  readonly traceOf: (allocationId: string) => TraceContext | undefined;
}

export class LowBudgets {
  readonly #options: LowBudgetsOptions;
  readonly #listeners = new Set<Listener>();

  constructor(options: LowBudgetsOptions) {
    this.#options = options;
    options.base.loop.subscribe((message) => {
      const low = lowBudgetOf(message);
      if (low) this.tell(low.allocationId, low);
    });
  }

  tell(allocationId: string, low: LowBudget): void {
    const { base, traceOf } = this.#options;
    traceLowBudget(base.telemetry, traceOf(allocationId), low);
    for (const listener of this.#listeners) listener(allocationId, low);
  }

  subscribe(listener: Listener): () => void {
    assert(this.#listeners.size < LIMITS.subscribersMax, "too many listen for low budgets");
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
