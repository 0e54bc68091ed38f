/** A21: what is granted out of a reservation is not what a SHRINK takes that was there before: that one is over in the same commit. Credits only. */
import type { BudgetEvent } from "#budget";
import { Violation } from "../world/violation.ts";
import type { Ledger } from "./ledger.ts";

type EventOf<T extends BudgetEvent["type"]> = Extract<BudgetEvent, { type: T }>;

export class ShrinksAudit {
  readonly #ledger: Ledger;
  readonly #places = new Map<string, string>();
  /** Credits that each allocation owes to SHRINKs, by their names. */
  readonly #owed = new Map<string, Map<string, number>>();
  /** SHRINKs that must be over by the end of the commit, and why. */
  readonly #mustEnd = new Map<string, string>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** To be told every durable event, after the ledger. */
  read(event: BudgetEvent): void {
    switch (event.type) {
      case "reservation_made":
        this.#places.set(event.reservationId, event.allocationId);
        break;
      case "reservation_used":
        if (event.by.credits > 0) this.#used(event);
        break;
      case "reclaim_requested":
        this.#requested(event);
        break;
      case "limit_lowered": {
        const owed = this.#owed.get(event.allocationId);
        const before = event.preemptionId === undefined ? undefined : owed?.get(event.preemptionId);
        if (before !== undefined) owed?.set(event.preemptionId ?? "", before - event.by.credits);
        break;
      }
      case "reclaim_ended":
        this.#owed.get(event.allocationId)?.delete(event.preemptionId);
        this.#mustEnd.delete(`${event.allocationId} ${event.preemptionId}`);
        break;
      case "allocation_closed":
        this.#owed.delete(event.allocationId);
        break;
      default:
    }
  }

  /** All events of a commit were told. */
  commitEnds(): void {
    const [first] = this.#mustEnd;
    this.#mustEnd.clear();
    if (!first) return;
    const message = `${this.#ledger.owner}: the SHRINK ${first[0]} waits still for what may have been granted by ${first[1]}`;
    throw new Violation("A21.shrink", message, [first[0].split(" ")[0] ?? "", this.#ledger.owner]);
  }

  #requested({ allocationId, preemptionId, mode, wanted, exhausted }: EventOf<"reclaim_requested">): void {
    if (mode !== "SHRINK") return;
    const owed = this.#owed.get(allocationId) ?? new Map<string, number>();
    this.#owed.set(allocationId, owed);
    // Told again it is asked for so much from now on; but for one of which nothing more is free.
    if (!exhausted || !owed.has(preemptionId)) owed.set(preemptionId, wanted.credits);
  }

  #used({ reservationId }: EventOf<"reservation_used">): void {
    const at = this.#places.get(reservationId);
    for (let node = at === undefined ? undefined : this.#ledger.nodes.get(at); node; node = node.parent) {
      for (const [preemptionId, credits] of this.#owed.get(node.id) ?? [])
        if (credits > 0) this.#mustEnd.set(`${node.id} ${preemptionId}`, reservationId);
    }
  }
}
