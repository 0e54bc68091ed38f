/**
 * Which holds of one batch may be answered as soon as they are written, before they are synced: those that the allowance of their allocation
 * covers (#budget, allowance.ts). Everything before the batch is durable, so a power cut can hide at most this batch; what it hides of an
 * allocation must have been free there before the batch, and within the allowance that follows from the limit before it.
 */
import {
  type Allocation,
  type Amounts,
  allowanceOf,
  type BudgetEvent,
  type BudgetState,
  type Command,
  type Outcome,
} from "#budget";
import { LIMITS } from "#std";

/** Events beside which a hold may be answered ahead: none of them gives an allocation more than it had, but for a settle, which is looked at. */
const HARMLESS: ReadonlySet<BudgetEvent["type"]> = new Set([
  "hold_placed",
  "hold_extended",
  "hold_charged",
  "hold_lapsed",
  "late_settle_recorded",
  "lease_renewed",
  "final_acknowledged",
  "memory_released",
]);

interface Taken {
  calls: number;
  credits: number;
  toolCalls: number;
}

export class Ahead {
  readonly #state: BudgetState;
  readonly #covered = new Set<Outcome>();
  readonly #taken = new Map<Allocation, Taken>();
  /** Allocations of which something may have come free in this batch: what is held of it now may not have been free before. */
  readonly #freed = new Set<string>();
  #harmless = true;

  constructor(state: BudgetState) {
    this.#state = state;
  }

  /** A new batch begins; everything before it is durable. */
  begin(): void {
    if (this.#covered.size > 0) this.#covered.clear();
    if (this.#taken.size > 0) this.#taken.clear();
    if (this.#freed.size > 0) this.#freed.clear();
    this.#harmless = true;
  }

  /** The next decision of the batch. */
  decided(command: Command, outcome: Outcome, events: readonly BudgetEvent[]): void {
    if (!this.#harmless || events.length === 0) return;
    for (const event of events) if (!HARMLESS.has(event.type)) this.#harmless = false;
    if (command.type === "settle" || command.type === "release") this.#freed.add(command.allocationId);
    else if (
      command.type === "reserve" &&
      outcome.type === "held" &&
      this.#covers(command.allocationId, outcome.granted)
    ) {
      this.#covered.add(outcome);
    }
  }

  /** The outcomes of the batch that may be answered once it is written; none: it is to be synced first. */
  get covered(): ReadonlySet<Outcome> {
    return this.#harmless ? this.#covered : NONE;
  }

  #covers(allocationId: string, { credits, toolCalls, branches, memoryBytes }: Amounts): boolean {
    const node = this.#state.allocations.get(allocationId);
    if (!node || branches > 0 || memoryBytes > 0 || this.#freed.has(allocationId)) return false;
    const taken = this.#taken.get(node) ?? { calls: 0, credits: 0, toolCalls: 0 };
    const allowance = allowanceOf(node);
    if (taken.calls >= LIMITS.aheadCallsMax) return false;
    if (taken.credits + credits > allowance.credits || taken.toolCalls + toolCalls > allowance.toolCalls) return false;
    taken.calls += 1;
    taken.credits += credits;
    taken.toolCalls += toolCalls;
    this.#taken.set(node, taken);
    return true;
  }
}

const NONE: ReadonlySet<Outcome> = new Set();
