/**
 * The slow, obvious model of a shadow: a second state made from all events so far, in which every policy that is tried is in force, and the
 * same request decided there.
 */
import type { Command, GrantWish } from "./command.ts";
import { decide } from "./decide.ts";
import { effectKey } from "./draft.ts";
import type { BudgetEvent } from "./event.ts";
import { evolve } from "./evolve.ts";
import type { Outcome, Would } from "./outcome.ts";
import type { Policy } from "./policy.ts";
import { type BudgetState, createState } from "./state.ts";

/** The policy that would be in force if what it tries were. */
export function asTried({ shadow, ...policy }: Policy): Policy {
  return { ...policy, ...shadow };
}

export function stateAsTried(events: readonly BudgetEvent[]): BudgetState {
  const state = createState();
  for (const event of events) evolve(state, event);
  for (const { id: allocationId, policy } of [...state.allocations.values()]) {
    if (!policy.shadow) continue;
    evolve(state, { type: "policy_set", atMs: state.engineTimeMs, allocationId, policy: asTried(policy) });
  }
  return state;
}

/** What there is to compare of a decision: its kind, and what it says. */
export interface Made {
  readonly kind: Would;
  readonly said: unknown;
}

export function decidedAsTried(events: readonly BudgetEvent[], command: Command & { readonly type: "grant" }): Made {
  const state = stateAsTried(events);
  const { outcome, events: made } = decide(state, command);
  const key = effectKey(command.wish.caller, command.wish.requestId);
  const plan = made.find((event) => event.type === "claim_planned" && event.effectKey === key);
  if (plan?.type === "claim_planned" && plan.round > 0) {
    const givers = plan.givers.map(({ allocationId, mode }) => ({
      path: state.allocations.get(allocationId)?.path,
      mode,
    }));
    return { kind: "PREEMPTING", said: givers.slice(0, 5) };
  }
  return madeOf(outcome, command.wish);
}

function madeOf(outcome: Outcome, { type }: GrantWish): Made {
  if (outcome.type === "opened" || outcome.type === "raised") {
    const granted = type === "open" && outcome.type === "opened" ? outcome.grantedTotal : "by" in outcome && outcome.by;
    return { kind: outcome.partial ? "GRANTED_IN_PART" : "GRANTED", said: granted };
  }
  if (outcome.type === "queued") return { kind: "QUEUED", said: outcome.conflict };
  if (outcome.type === "refused") return { kind: "REFUSED", said: outcome.refusal };
  throw new Error(`a request was answered with ${outcome.type}`);
}

/** What the shadow of an outcome says it would have been. */
export function shadowMade(outcome: Outcome): Made | undefined {
  const shadow = "shadow" in outcome ? outcome.shadow : undefined;
  if (!shadow) return undefined;
  const kind = shadow.would;
  if ("granted" in shadow) return { kind, said: shadow.granted };
  if (shadow.would === "QUEUED") return { kind, said: shadow.conflict };
  if (shadow.would === "PREEMPTING") return { kind, said: shadow.givers };
  return { kind, said: shadow.refusal };
}
