/**
 * The property tests' auditor: from the events alone it says what must have been used, by another road than the books: call by call, and
 * by what holders reported.
 */
import { assert } from "#std";
import type { BudgetEvent, HoldPlaced, UsageReported } from "./event.ts";
import { CONSUMABLES, type Consumable } from "./resource.ts";

export type Charge = Readonly<Record<Consumable, number>>;
export const NO_CHARGE: Charge = Object.freeze({ credits: 0, toolCalls: 0 });

interface AuditedHold {
  readonly placed: HoldPlaced;
  charged: Charge;
  state: "live" | "lapsed" | "ended";
}

export class Auditor {
  readonly #holds = new Map<string, AuditedHold>();
  readonly #parents = new Map<string, string | undefined>();
  readonly #used = new Map<string, Charge>();
  readonly #corrections = new Map<string, number>();
  /** Engine time at which calls and allocations ended. */
  readonly endedAtMs = new Map<string, number>();

  /** Usage of the whole subtree of an allocation. */
  usedBy(allocationId: string): Charge {
    return this.#used.get(allocationId) ?? NO_CHARGE;
  }

  read(event: BudgetEvent): void {
    switch (event.type) {
      case "allocation_opened":
        this.#parents.set(event.allocationId, event.parentId);
        break;
      case "hold_placed":
        this.#holds.set(event.holdId, { placed: event, charged: NO_CHARGE, state: "live" });
        break;
      case "hold_lapsed":
        this.#hold(event.holdId).state = "lapsed";
        break;
      case "hold_charged": {
        const hold = this.#hold(event.holdId);
        for (const r of CONSUMABLES) this.#use(hold.placed.allocationId, r, event[r] - hold.charged[r]);
        hold.charged = { credits: event.credits, toolCalls: event.toolCalls };
        if (event.final) this.#end(event.holdId, event.atMs);
        break;
      }
      case "usage_reported":
        this.#reported(event);
        break;
      case "written_off":
        for (const r of CONSUMABLES) this.#use(event.allocationId, r, event[r]);
        break;
      case "account_corrected":
        // Also after a close: what it used is now this, whatever was known.
        for (const r of CONSUMABLES) this.#use(event.allocationId, r, event[r] - this.usedBy(event.allocationId)[r]);
        break;
      case "allocation_closed":
        this.#closed(event.allocationId, event.atMs);
        break;
      default:
    }
  }

  /** Usage grows, but for a report with more corrections, which is the truth from then on. */
  #reported(event: UsageReported): void {
    const known = this.usedBy(event.allocationId);
    const isLater = event.corrections > (this.#corrections.get(event.allocationId) ?? 0);
    this.#corrections.set(event.allocationId, event.corrections);
    for (const r of CONSUMABLES) {
      const more = event[r] - known[r];
      this.#use(event.allocationId, r, isLater ? more : Math.max(0, more));
    }
  }

  #hold(id: string): AuditedHold {
    const hold = this.#holds.get(id);
    assert(hold !== undefined, `unknown hold ${id}`);
    return hold;
  }

  #end(holdId: string, atMs: number): void {
    this.#hold(holdId).state = "ended";
    this.endedAtMs.set(holdId, atMs);
  }

  /** At the close the calls that lapsed unsettled count as having cost what they had set aside. */
  #closed(allocationId: string, atMs: number): void {
    this.endedAtMs.set(allocationId, atMs);
    for (const [id, { placed, charged, state }] of this.#holds) {
      if (placed.allocationId !== allocationId || state === "ended") continue;
      assert(state === "lapsed", `${allocationId} closed over the call ${id}, which is in flight`);
      for (const r of CONSUMABLES) this.#use(allocationId, r, Math.max(0, placed.amounts[r] - charged[r]));
      this.#end(id, atMs);
    }
  }

  #use(allocationId: string, resource: Consumable, x: number): void {
    for (let at: string | undefined = allocationId; at !== undefined; at = this.#parents.get(at)) {
      const used = this.usedBy(at);
      this.#used.set(at, { ...used, [resource]: used[resource] + x });
    }
  }
}
