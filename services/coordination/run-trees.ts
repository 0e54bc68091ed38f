/** The insides of runs: asked of the process daemons while they go on, kept after their end. */
import type { AllocationView } from "#gen/bursar/v1/allocation_pb.js";
import { LIMITS } from "#std";

export class RunTrees {
  readonly #kept = new Map<string, AllocationView[]>();

  /** Keeps the inside of an ended run; beyond the bound the oldest is forgotten. */
  keep(runId: string, children: AllocationView[]): void {
    this.#kept.set(runId, children);
    const oldest = this.#kept.keys().next();
    if (this.#kept.size > LIMITS.endedWorkMax && !oldest.done) this.#kept.delete(oldest.value);
  }

  of(runId: string): AllocationView[] | undefined {
    return this.#kept.get(runId);
  }
}
