/** What the workers truly spent, told by themselves at the moment they did it; and what they said of it. */
import { Violation } from "../world/violation.ts";
import { type Call, type PerSpendable, SPENDABLE } from "./ledger.ts";

/** One call of a worker that has been answered. */
export interface TrueCall {
  readonly holdId: string;
  readonly allocationId: string;
  readonly requestId: string;
  readonly worker: string;
  readonly granted: PerSpendable;
  /** What it cost so far; the world knows, whether or not it was said. */
  readonly spent: PerSpendable;
  /** Each cost that was said in a settle. */
  readonly told: Set<string>;
}

export interface HeldAnswer {
  readonly worker: string;
  readonly allocationId: string;
  readonly requestId: string;
  readonly holdId: string;
  readonly granted: PerSpendable;
}

const words = ({ credits, toolCalls }: PerSpendable): string => `${credits} credits and ${toolCalls} tool calls`;

export class Truth {
  readonly calls = new Map<string, TrueCall>();
  readonly #holdOf = new Map<string, string>();
  readonly #isLost: (holdId: string) => boolean;

  /** `isLost`: a power cut took the hold away; its request may be answered with another one. */
  constructor(isLost: (holdId: string) => boolean) {
    this.#isLost = isLost;
  }

  /** A5: the same request has one hold, whenever and however often it is answered. */
  held({ worker, allocationId, requestId, holdId, granted }: HeldAnswer): TrueCall {
    const key = `${allocationId} ${requestId}`;
    const before = this.#holdOf.get(key);
    const known = this.calls.get(holdId);
    const about = [allocationId, holdId, worker];
    if (before !== undefined && before !== holdId && !this.#isLost(before)) {
      const message = `request ${requestId} was answered with hold ${before} and then with ${holdId}`;
      throw new Violation("A5.two-answers", message, [...about, before]);
    }
    if (known && words(known.granted) !== words(granted)) {
      const message = `hold ${holdId} was answered with ${words(known.granted)} and then with ${words(granted)}`;
      throw new Violation("A5.two-answers", message, about);
    }
    if (known) return known;
    const spent = { credits: 0, toolCalls: 0 };
    const call = { holdId, allocationId, requestId, worker, granted, spent, told: new Set([words(spent)]) };
    this.#holdOf.set(key, holdId);
    this.calls.set(holdId, call);
    return call;
  }

  /** The worker says what a call cost so far. */
  tell(call: TrueCall, cost: PerSpendable): void {
    call.told.add(words(cost));
  }

  /** A3: a cost that a daemon journals was said by the worker whose call it is. */
  checkCharge(owner: string, { id, at, charged }: Call): void {
    const call = this.calls.get(id);
    if (!call) {
      if (charged.credits + charged.toolCalls === 0) return;
      throw new Violation("A3.charge", `${owner} charges ${words(charged)} to hold ${id}, which no worker has`, [
        at.id,
        id,
      ]);
    }
    if (call.told.has(words(charged))) return;
    const message = `${owner} charges ${words(charged)} to hold ${id}; ${call.worker} never said so (it cost ${words(call.spent)})`;
    throw new Violation("A3.charge", message, [at.id, id, call.worker]);
  }

  /** A3: at the end a call that was settled is in the books with what it truly cost. */
  checkFinal({ id, at, charged, state }: Call): void {
    const call = this.calls.get(id);
    if (!call || state !== "settled") return;
    for (const resource of SPENDABLE) {
      if (charged[resource] === call.spent[resource]) continue;
      const message = `hold ${id} is settled with ${words(charged)}, it truly cost ${words(call.spent)}`;
      throw new Violation("A3.truth", message, [at.id, id, call.worker]);
    }
  }
}
