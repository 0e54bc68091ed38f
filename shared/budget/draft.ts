/**
 * A decision in the making. `decide` checks everything first and then emits events; each is evolved at once, so that what follows
 * from it is computed on the state as it then is. A refusal emits nothing.
 */
import type { Claim } from "./claims.ts";
import { withLast } from "./collections.ts";
import type { BudgetEvent } from "./event.ts";
import { evolve } from "./evolve.ts";
import type { Message, Outcome, Refusal } from "./outcome.ts";
import type { Allocation, BudgetState, Hold } from "./state.ts";

export interface Draft {
  readonly state: BudgetState;
  readonly nowMs: number;
  events: readonly BudgetEvent[];
  messages: readonly Message[];
  /** The request that is being decided: its answer is the outcome, and is not told beside it. */
  deciding?: { readonly key: string; outcome?: Outcome } | undefined;
  /** Nodes with claims at which something has moved: who claims there may be given more, once all else is done. */
  moved?: Set<Allocation>;
  /** Claims of which one who gives way has answered for good: that it has given all, or has nothing more that is free. */
  answered?: Set<Claim>;
  /** Work that was paused for others and has given something, or need not wait for those any more: it waits to go on. */
  rested?: Set<Allocation>;
  /** Pauses whose allocations have been given back what they gave. */
  goingOn?: GoingOn[];
  /** Nodes that divide by weight at which something has moved: looked at once all else is done. */
  toShare?: Set<Allocation>;
}

/** A pause that is over as soon as nothing else of the decision is to be done. */
export interface GoingOn {
  readonly node: Allocation;
  readonly preemptionId: string;
}

/** `subject` spares evolve to look up what the event speaks of; for an opening it is the parent. */
export function emit(draft: Draft, event: BudgetEvent, subject?: Allocation | Hold): void {
  evolve(draft.state, event, subject);
  draft.events = withLast(draft.events, event);
}

/** Others are to be told this. */
export function say(draft: Draft, message: Message): void {
  draft.messages = withLast(draft.messages, message);
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

/** Something has moved at a node where somebody claims: it is looked after at the end of the decision. */
export function note(draft: Draft, node: Allocation): void {
  draft.moved ??= new Set();
  draft.moved.add(node);
}

/** Whoever gives way by this preemption has given all, or has nothing more that is free: its claims are looked after at the end. */
export function answered(draft: Draft, { id, parent }: Allocation, preemptionId: string | undefined): void {
  if (!parent || parent.waiters.claims.size === 0) return;
  draft.answered ??= new Set();
  for (const claim of parent.waiters.claims.of(id, preemptionId)) draft.answered.add(claim);
  note(draft, parent);
}

/** A pause for the sake of others is looked after at the end of the decision. */
export function noteRest(draft: Draft, node: Allocation): void {
  if (!node.parent) return;
  draft.rested ??= new Set();
  draft.rested.add(node);
  note(draft, node.parent);
}
