/**
 * A18: a hold is answered before it is durable only at execution, within the allowance of its allocation and within what was free there in what
 * is durable; and whatever a worker spent under a hold that a power cut took away is covered by what the restarted daemon counts as
 * unconfirmed there.
 */
import type { BudgetEvent } from "#budget";
import { LIMITS } from "#std";
import { Violation } from "../world/violation.ts";
import { booksOf } from "./books.ts";
import { type Ledger, type PerSpendable, SPENDABLE } from "./ledger.ts";
import type { Truth } from "./truth.ts";

interface Written {
  readonly ledger: Ledger;
  readonly allocationId: string;
  readonly granted: PerSpendable;
}

/** In the ids of holds that stand for what a power cut may have taken away. */
const STANDS_FOR_LOST = "/power-cut/";

export class Allowances {
  /** Holds that are written and not yet durable. */
  readonly #written = new Map<string, Written>();
  /** Holds that were, and are lost. */
  readonly #lost = new Map<string, Written>();
  /** What was answered of the holds that are not yet durable, by allocation. */
  readonly #answered = new Map<Ledger, Map<string, PerSpendable>>();
  readonly #told = new Set<string>();

  /** These events are as safe as the machine is. */
  written(ledger: Ledger, events: readonly BudgetEvent[]): void {
    this.#answered.set(ledger, new Map());
    for (const event of events) {
      if (event.type !== "hold_placed") continue;
      const { credits, toolCalls } = event.amounts;
      const { allocationId } = event;
      this.#written.set(event.holdId, { ledger, allocationId, granted: { credits, toolCalls } });
    }
  }

  /** These are durable. */
  durable(events: readonly BudgetEvent[]): void {
    for (const event of events) if (event.type === "hold_placed") this.#written.delete(event.holdId);
  }

  /** The daemon has died; what it had written and is not durable by now is lost. */
  died(ledger: Ledger): void {
    for (const [holdId, hold] of this.#written) {
      if (hold.ledger !== ledger) continue;
      this.#written.delete(holdId);
      this.#lost.set(holdId, hold);
    }
  }

  isLost(holdId: string): boolean {
    return this.#lost.has(holdId);
  }

  /** A hold is answered that is not durable: whether that is lawful. */
  answers(ledger: Ledger, holdId: string): boolean {
    const hold = this.#written.get(holdId);
    const node = hold && ledger.nodes.get(hold.allocationId);
    if (!hold || !node || hold.ledger !== ledger || node.side !== "received") return false;
    if (this.#told.has(holdId)) return true;
    this.#told.add(holdId);
    const answered = this.#answered.get(ledger);
    const before = answered?.get(node.id) ?? { credits: 0, toolCalls: 0 };
    for (const resource of SPENDABLE) {
      before[resource] += hold.granted[resource];
      const free = booksOf(node, resource).available;
      const part = Math.floor(node.limit[resource] / LIMITS.aheadLimitParts);
      const most = node.unlimited[resource] ? LIMITS.aheadCallsMax : Math.min(free, part);
      if (before[resource] <= most) continue;
      const message = `${ledger.owner} answers holds of ${before[resource]} ${resource} of ${node.path} before they are durable, ${most} may be`;
      throw new Violation("A18.allowance", message, [node.id, holdId, ledger.owner]);
    }
    answered?.set(node.id, before);
    return true;
  }

  /** At the end, when everything is closed. */
  final(truth: Truth, isWrittenOff: (allocationId: string) => boolean): void {
    const hidden = new Map<string, { readonly ledger: Ledger; readonly spent: PerSpendable }>();
    for (const [holdId, { ledger, allocationId }] of this.#lost) {
      const call = truth.calls.get(holdId);
      if (!call || ledger.calls.has(holdId) || ledger.lost || isWrittenOff(allocationId)) continue;
      const sum = hidden.get(allocationId) ?? { ledger, spent: { credits: 0, toolCalls: 0 } };
      for (const resource of SPENDABLE) sum.spent[resource] += Math.min(call.spent[resource], call.granted[resource]);
      hidden.set(allocationId, sum);
    }
    for (const [allocationId, { ledger, spent }] of hidden) {
      const stands = [...ledger.calls.values()].filter(
        ({ id, at, state }) => at.id === allocationId && id.includes(STANDS_FOR_LOST) && state === "confirmed",
      );
      for (const resource of SPENDABLE) {
        const covered = stands.reduce((sum, { amounts }) => sum + amounts[resource], 0);
        if (spent[resource] <= covered) continue;
        const message = `${ledger.owner}: workers spent ${spent[resource]} ${resource} of ${allocationId} under holds that a power cut took away, its books know of ${covered}`;
        throw new Violation("A18.hidden", message, [allocationId, ledger.owner]);
      }
    }
  }
}
