/**
 * What stands in the way of a request at a node, and what becomes of it then. Changes nothing: it is asked of the policy in force, and of one
 * that is tried beside it (shadow.ts).
 */
import { assert, LIMITS } from "#std";
import { planWords } from "./claim-words.ts";
import type { GrantWish } from "./command.ts";
import { conflictAt } from "./conflict.ts";
import { demandOf } from "./demand.ts";
import type { Draft } from "./draft.ts";
import { shortOf } from "./free.ts";
import { endsAtMs, Gate, type Tried } from "./going-ahead.ts";
import type { Conflict, Refusal } from "./outcome.ts";
import { statedBy } from "./policy.ts";
import { mayPreempt, planFor } from "./preempt-for.ts";
import { drawOn } from "./reservation-use.ts";
import { type Demand, isNothing, NOTHING, type Resource } from "./resource.ts";
import { withShare } from "./share-standing.ts";
import type { SharedNode } from "./shared-node.ts";
import type { Allocation } from "./state.ts";
import { strategyAt, strategyNamed } from "./strategies/index.ts";
import type { VictimPlan } from "./strategies/victim-plan.ts";
import { isFinalStep, sightOfWish } from "./tranche-sight.ts";
import { baseOf, turnOf } from "./turn.ts";
import { type Ahead, NOBODY } from "./wait-queue.ts";

/** A wish at the node that is to meet it. */
export interface Asking {
  readonly parent: Allocation;
  readonly wish: GrantWish;
}

/** What a wish demands, and those who have their turn before it. */
export interface Behind {
  readonly demand: Demand;
  readonly ahead: Ahead;
}

export function behindOf({ state, nowMs }: Draft, { parent, wish }: Asking, tried?: Tried): Behind {
  const demand = demandOf(wish);
  const waiters = tried?.waiters ?? parent.waiters;
  const ahead = waiters.size === 0 ? NOBODY : waiters.before(turnOf(state, parent, wish, nowMs));
  return { demand, ahead };
}

/** The resource of which too little can be had now, or behind those who have their turn before; undefined: it can be granted. */
export function lackingAt(draft: Draft, asking: Asking, behind: Behind, tried?: Tried): Resource | undefined {
  const { parent, wish } = asking;
  const { demand, ahead } = behind;
  if (wish.reservationId !== undefined) return drawOn(draft, parent, { wish, demand, claimed: ahead.claimed }).short;
  const sight = sightOfWish(draft.state, parent, wish);
  // Until when it would stay counts only where something is reserved for later.
  if (isNothing(parent.waiters.earmarks.ahead)) {
    return (
      shortOf(parent, demand.min, sight) ??
      blockedAt(draft, asking, behind, tried && new Gate(parent, draft.nowMs, tried))
    );
  }
  const gate = new Gate(parent, draft.nowMs, tried);
  const ends = endsAtMs(draft.state, parent, wish, draft.nowMs);
  return gate.room.shortOf(demand.min, { endsAtMs: ends, sight }) ?? blockedAt(draft, asking, behind, gate);
}

/** The resource because of which a request that fits must wait behind those that wait already and have their turn before it. */
function blockedAt(
  { state, nowMs }: Draft,
  { parent, wish }: Asking,
  { demand, ahead: { rank, claimed } }: Behind,
  gate?: Gate,
): Resource | undefined {
  if (rank === 0) return undefined;
  if (isFinalStep(wish) && demand.wanted.credits <= parent.tranches.left.wrapUp) return undefined;
  const ends = endsAtMs(state, parent, wish, nowMs);
  const sight = sightOfWish(state, parent, wish);
  return (gate ?? new Gate(parent, nowMs)).blockedBy({ demand, claimed, endsAtMs: ends, sight });
}

/** A request that is short of a resource. */
export interface Short {
  readonly behind: Behind;
  readonly resource: Resource;
  /** Where budget is divided by weight. */
  readonly shared: SharedNode | undefined;
}

/** What becomes of it. */
export type Shortage =
  | { readonly type: "refused"; readonly refusal: Refusal }
  | {
      readonly type: "waits";
      readonly conflict: Conflict;
      /** How long at most; 0: only for what comes back in this decision. */
      readonly waitMs: number;
      /** Where others may have to give way: who does, or why nobody. */
      readonly plan: VictimPlan | undefined;
    };

export function shortageOf(draft: Draft, asking: Asking, short: Short, tried?: Tried): Shortage {
  const { parent, wish } = asking;
  const { behind, resource, shared } = short;
  const { demand, ahead } = behind;
  const strategy = strategyNamed(wish.strategy ?? strategyAt(parent, tried?.under));
  assert(strategy !== undefined, "the strategy was checked before");
  // Whoever draws from above does not wait below: room that comes free is not told there.
  const mayWait = parent.pooled.length === 0 && strategy.whenShort(wish) === "queue" && !isFinalStep(wish);
  const place = mayWait ? { position: ahead.rank + 1, claimed: ahead.claimed[resource] } : {};
  const wanted = demand.min[resource];
  const sight = sightOfWish(draft.state, parent, wish);
  const told = { nowMs: draft.nowMs, wish, under: tried?.under ?? "policy", sight, ...place } as const;
  const found = conflictAt({ node: parent, resource, wanted, ...told });
  const sharing = { wish, demand, claimed: ahead.claimed };
  const conflict = shared ? withShare(draft.state, shared, sharing, found) : found;
  const preempts = !conflict.never && !isFinalStep(wish) && mayPreempt(parent, wish, tried?.under);
  const plan = preempts ? planNow(draft, asking, behind, tried) : undefined;
  const fits = conflict.debt === 0 && conflict.available >= conflict.wanted;
  const why = plan ? { ...conflict, preemption: planWords(plan, fits) } : conflict;
  const waitsOn = mayWait || plan?.type === "plan";
  if (conflict.never || !waitsOn) {
    return { type: "refused", refusal: { code: "conflict", conflict: { ...why, position: 0 } } };
  }
  const stated = (key: "queueLengthMax" | "queueWaitMsMax") => statedBy(parent.policy, key, tried?.under ?? "policy");
  const lengthMax = stated("queueLengthMax") ?? LIMITS.queueLengthMax;
  if (parent.waiters.size >= lengthMax) {
    const message = `${lengthMax === 1 ? "1 request already waits" : `${lengthMax} requests already wait`} at ${parent.path}`;
    return { type: "refused", refusal: { code: "too_many", message, retryAfterMs: LIMITS.retryAfterMs } };
  }
  const waitMs = mayWait ? Math.min(wish.waitMs, stated("queueWaitMsMax") ?? LIMITS.queueWaitMsMax) : 0;
  return { type: "waits", conflict: why, waitMs, plan };
}

/** No preemption is named so: there is none for it yet. */
const NO_NAME = "\n";

/** Who would give way to a request that is short; to one that does not wait only what comes back at once. */
function planNow(draft: Draft, { parent, wish }: Asking, { demand, ahead }: Behind, tried?: Tried): VictimPlan {
  const base = baseOf(draft.state, wish) ?? 0;
  const claiming = { node: parent, request: wish, base, min: demand.min, ahead, reserved: NOTHING, own: NO_NAME };
  const under = tried && { under: tried.under };
  return planFor(draft, { ...claiming, ...under }, wish.waitMs > 0 ? "all" : "at_once");
}
