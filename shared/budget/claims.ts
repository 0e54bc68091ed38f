/**
 * The claims of one node: requests that wait there and for which others give way. A claim lives as long as its request waits; what was set
 * aside for it stands in the earmarks of the node under the same key.
 */
import { assert } from "#std";
import { NO_LIST } from "./collections.ts";
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
  /**
   * Those to whom somebody gives way, and which may have been given all since they were looked at: by the hundred thousand claims wait for whom
   * nobody can, or whose givers have not moved. All of them in a queue that was made anew.
   */
  readonly #moved = new Set<Claim>();
  /** Those to whom somebody gives way, by the allocations that give way. */
  readonly #byGiver = new Map<string, Set<Claim>>();

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): Claim | undefined {
    return this.#byKey.get(key);
  }

  add(claim: Claim): void {
    assert(this !== NO_CLAIMS, "nobody may claim at the node that all share");
    this.#byKey.set(claim.waiter.effectKey, claim);
    this.#note(claim);
  }

  /** One of them has another plan. */
  plan(claim: Claim, plan: Pick<Claim, "round" | "givers" | "lookAtMs">): void {
    this.#unnote(claim);
    Object.assign(claim, plan);
    this.#note(claim);
  }

  #note(claim: Claim): void {
    if (claim.givers.length > 0) this.#moved.add(claim);
    for (const { allocationId } of claim.givers) {
      const known = this.#byGiver.get(allocationId);
      if (known) known.add(claim);
      else this.#byGiver.set(allocationId, new Set([claim]));
    }
  }

  #unnote(claim: Claim): void {
    this.#moved.delete(claim);
    for (const { allocationId } of claim.givers) {
      const known = this.#byGiver.get(allocationId);
      known?.delete(claim);
      if (known?.size === 0) this.#byGiver.delete(allocationId);
    }
  }

  delete(key: string): void {
    const claim = this.#byKey.get(key);
    if (claim) this.#unnote(claim);
    this.#byKey.delete(key);
  }

  /** What is asked of the allocation for claims stands otherwise now, or the allocation is gone. */
  giverMoved(allocationId: string): void {
    if (this.#byGiver.size === 0) return;
    for (const claim of this.#byGiver.get(allocationId) ?? NO_LIST) this.#moved.add(claim);
  }

  /** It was looked at. */
  looked(claim: Claim): void {
    this.#moved.delete(claim);
  }

  /** Those that may have been given all since they were looked at, and of `others` those that are here; the oldest first, from `after` on. */
  moved(others: Iterable<Claim> = NO_LIST, after?: Claim): Claim[] {
    const found = new Set(this.#moved);
    for (const claim of others) if (this.#byKey.get(claim.waiter.effectKey) === claim) found.add(claim);
    const left = after ? [...found].filter((claim) => byArrival(claim, after) > 0) : [...found];
    return left.sort(byArrival);
  }

  values(): IterableIterator<Claim> {
    return this.#byKey.values();
  }

  /** The claims to which this allocation gives way, the oldest first; `preemptionId`: only that for which it was asked so, if there is one. */
  of(allocationId: string, preemptionId: string | undefined): readonly Claim[] {
    const known = this.#byGiver.get(allocationId);
    if (!known) return NO_LIST;
    const given = [...known].sort(byArrival);
    if (preemptionId === undefined) return given;
    const asked = given.filter(({ givers }) => givers.some((giver) => giver.preemptionId === preemptionId));
    return asked.length > 0 ? asked : given;
  }

  /** Whether the allocation is being paused or stopped. */
  isLeaving(allocationId: string): boolean {
    for (const { givers } of this.#byGiver.get(allocationId) ?? NO_LIST) {
      if (givers.some((giver) => giver.allocationId === allocationId && giver.mode !== "SHRINK")) return true;
    }
    return false;
  }
}

function byArrival(a: Claim, b: Claim): number {
  return a.waiter.sequence - b.waiter.sequence;
}

/** The claims of every node that has none; nothing may be added to them. */
export const NO_CLAIMS: Claims = new Claims();
