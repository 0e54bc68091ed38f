/** What the daemons below say of preemptions: whom they took from and who still owes. For people; the books do not rest on it. */
import type { PreemptResponse } from "#gen/bursar/v1/preemption_service_pb.js";
import { LIMITS } from "#std";

export type PreemptedBelow = Pick<PreemptResponse, "waitingOn" | "victims">;

export class Preempted {
  readonly #latest = new Map<string, PreemptedBelow>();

  /** Keeps the latest of each preemption, and of LIMITS.preemptionsKnownMax of them. */
  note({ preemptionId, allocationId, waitingOn, victims }: PreemptResponse): void {
    const key = keyOf(preemptionId, allocationId);
    this.#latest.delete(key);
    this.#latest.set(key, { waitingOn, victims });
    if (this.#latest.size > LIMITS.preemptionsKnownMax) this.#latest.delete(this.#latest.keys().next().value ?? "");
  }

  of({ preemptionId, runId }: { readonly preemptionId: string; readonly runId: string }): PreemptedBelow | undefined {
    return this.#latest.get(keyOf(preemptionId, runId));
  }
}

function keyOf(preemptionId: string, allocationId: string): string {
  return `${preemptionId}\n${allocationId}`;
}
