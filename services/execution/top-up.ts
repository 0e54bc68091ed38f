/**
 * Reserves on a pooled allocation: what it lacks is asked of the tier above, one request at a time per allocation, and the reserve is
 * tried again right behind the grant. A refusal of the tier above is the answer to the reserve.
 */
import { type Amounts, amountsOf, type CommandOf, type Conflict, type Outcome } from "#budget";
import type { GrantAnswer, IdSource, ItemError, TraceContext } from "#ports";
import { LIMITS } from "#std";
import type { TierResourceManager, Uplink } from "#tier";

export type ReserveInput = Omit<CommandOf<"reserve">, "nowMs">;

/** The outcome of a reserve, or the error of the tier above that could not give what it lacked. */
export type ReserveAnswer = { readonly outcome: Outcome } | { readonly error: ItemError };

interface Waiting {
  readonly reserve: ReserveInput;
  readonly done: (answer: ReserveAnswer) => void;
}

interface TopUpParts {
  readonly loop: TierResourceManager;
  readonly uplink: Uplink;
  readonly ids: IdSource;
  readonly stepOf: (
    allocationId: string,
  ) => { readonly epoch: number; readonly trace: TraceContext | undefined } | undefined;
}

export class TopUps {
  readonly #parts: TopUpParts;
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(parts: TopUpParts) {
    this.#parts = parts;
  }

  /** Reserves, asking for more where the allocation is pooled. */
  reserve(reserve: ReserveInput, pooled: readonly string[], done: (answer: ReserveAnswer) => void): void {
    this.#parts.loop.submit(reserve, (outcome) => this.settleOrAsk({ reserve, outcome, pooled, done }));
  }

  /** For a reserve that was decided already: passes its outcome on, or asks for what it lacks and tries again. */
  settleOrAsk({
    reserve,
    outcome,
    pooled,
    done,
  }: {
    readonly reserve: ReserveInput;
    readonly outcome: Outcome;
    readonly pooled: readonly string[];
    readonly done: (answer: ReserveAnswer) => void;
  }): void {
    const conflict = conflictOf(outcome);
    if (!conflict || !pooled.includes(conflict.resource)) {
      done({ outcome });
      return;
    }
    const waiting = this.#waiting.get(reserve.allocationId);
    if (!waiting) {
      this.#waiting.set(reserve.allocationId, [{ reserve, done }]);
      this.#ask(reserve.allocationId, conflict);
    } else if (waiting.length < LIMITS.topUpsWaitingMax) waiting.push({ reserve, done });
    else done({ outcome });
  }

  #ask(allocationId: string, conflict: Conflict): void {
    const { ids, uplink } = this.#parts;
    const step = this.#parts.stepOf(allocationId);
    const { resource, available, debt } = conflict;
    if (resource === "duration" || resource === "access") return;
    const lackOf = (wanted: number): Amounts => amountsOf({ [resource]: Math.max(0, wanted - available) + debt });
    const by = lackOf(this.#waiting.get(allocationId)?.[0]?.reserve.wanted[resource] ?? conflict.wanted);
    const target = { type: "raise", allocationId, epoch: step?.epoch ?? 0, by } as const;
    const rank = { priority: "NORMAL", weight: 1, waitMs: 0, strategy: undefined } as const;
    const asked = uplink.ask(
      { requestId: ids.newId(), target, min: lackOf(conflict.wanted), trace: step?.trace, ...rank },
      (answer) => this.#onAnswer(allocationId, answer),
    );
    if (!asked) this.#retryHead(allocationId, { passOn: true });
  }

  #onAnswer(allocationId: string, answer: GrantAnswer): void {
    if (answer.type === "queued") return;
    if (answer.type === "denied") {
      this.#shift(allocationId)?.done({ error: answer.error });
      this.#next(allocationId);
    } else this.#retryHead(allocationId, { passOn: false });
  }

  /** Tries the oldest reserve again; what it still lacks (others may have come between) is asked for again. */
  #retryHead(allocationId: string, { passOn }: { readonly passOn: boolean }): void {
    const head = this.#waiting.get(allocationId)?.[0];
    if (!head) return;
    this.#parts.loop.submit(head.reserve, (outcome) => {
      const conflict = conflictOf(outcome);
      if (conflict && !passOn) {
        this.#ask(allocationId, conflict);
        return;
      }
      this.#shift(allocationId)?.done({ outcome });
      this.#next(allocationId);
    });
  }

  #shift(allocationId: string): Waiting | undefined {
    return this.#waiting.get(allocationId)?.shift();
  }

  #next(allocationId: string): void {
    const waiting = this.#waiting.get(allocationId);
    if (waiting?.length === 0) this.#waiting.delete(allocationId);
    else this.#retryHead(allocationId, { passOn: false });
  }
}

function conflictOf(outcome: Outcome): Conflict | undefined {
  return outcome.type === "refused" && outcome.refusal.code === "conflict" ? outcome.refusal.conflict : undefined;
}
