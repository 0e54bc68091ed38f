/** What is kept of an answer and of the cost of a call, in the state and in the memory of what has ended. */
import type { Amount } from "./amount.ts";
import type { OpenedAnswer, OutcomeOf } from "./outcome.ts";

export type Answer = OpenedAnswer | OutcomeOf<"raised" | "held" | "written_off" | "updated" | "reserved_ahead">;

/** An answer as a copy: what it speaks of may be gone. */
export interface KeptAnswer {
  readonly kind: "answer";
  readonly fingerprint: number;
  readonly answer: Answer;
}

/** What a call cost so far, cumulative. */
export interface Charged {
  readonly credits: Amount;
  readonly toolCalls: Amount;
}
