/**
 * A decision in the making. `decide` checks everything first and then emits events; each is evolved at once, so that what follows
 * from it is computed on the state as it then is. A refusal emits nothing.
 */
import type { BudgetEvent } from "./event.ts";
import { evolve } from "./evolve.ts";
import type { Message, Outcome, Refusal } from "./outcome.ts";
import type { BudgetState } from "./state.ts";

export interface Draft {
  readonly state: BudgetState;
  readonly nowMs: number;
  readonly events: BudgetEvent[];
  readonly messages: Message[];
}

export function emit(draft: Draft, event: BudgetEvent): void {
  evolve(draft.state, event);
  draft.events.push(event);
}

export function refuse(refusal: Refusal): Outcome {
  return { type: "refused", refusal };
}

export const DONE: Outcome = Object.freeze({ type: "done", changed: true });
export const UNCHANGED: Outcome = Object.freeze({ type: "done", changed: false });

/** One request of one caller: the key under which its effect is remembered. */
export function effectKey(caller: string, requestId: string): string {
  return `${caller}\n${requestId}`;
}
