/**
 * The claims of one node: requests that wait there and for which others give way. A claim lives as long as its request waits; what was set
 * aside for it stands in the earmarks of the node under the same key.
 */
import { assert } from "#std";
import type { PreemptionMode } from "./policy.ts";
import type { Waiter } from "./waiter.ts";

/** Who gives way to a claim. */
export interface Giver {
  readonly allocationId: string;
  /** Name of the preemption at that allocation. */
  readonly preemptionId: string;
  readonly mode: PreemptionMode;
}

export interface Claim {
  readonly waiter: Waiter;
  /** How often a plan was made and carried out for it. */
  round: number;
  /** Those of the latest plan, and of earlier ones who owed something when it was made. None: nobody can give way now. */
  givers: readonly Giver[];
  /** Engine time at which it is looked at again, whatever happens. */
  lookAtMs: number;
}

export class Claims {
  readonly #byKey = new Map<string, Claim>();

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): Claim | undefined {
    return this.#byKey.get(key);
  }

  add(claim: Claim): void {
    assert(this !== NO_CLAIMS, "nobody may claim at the node that all share");
    this.#byKey.set(claim.waiter.effectKey, claim);
  }

  delete(key: string): void {
    this.#byKey.delete(key);
  }

  values(): IterableIterator<Claim> {
    return this.#byKey.values();
  }

  /** The claims to which this allocation gives way, the oldest first; `preemptionId`: only that for which it was asked so, if there is one. */
  of(allocationId: string, preemptionId: string | undefined): Claim[] {
    const given = [...this.values()].filter(({ givers }) =>
      givers.some((giver) => giver.allocationId === allocationId),
    );
    if (preemptionId === undefined) return given;
    const asked = given.filter(({ givers }) => givers.some((giver) => giver.preemptionId === preemptionId));
    return asked.length > 0 ? asked : given;
  }

  /** Whether the allocation is being paused or stopped. */
  isLeaving(allocationId: string): boolean {
    for (const { givers } of this.values()) {
      if (givers.some((giver) => giver.allocationId === allocationId && giver.mode !== "SHRINK")) return true;
    }
    return false;
  }
}

/** The claims of every node that has none; nothing may be added to them. */
export const NO_CLAIMS: Claims = new Claims();
