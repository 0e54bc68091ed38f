/**
 * Names that a wish cannot have now: it waits for them or is refused, as the strategy of its parent says of whatever is short. And the end of
 * a decision in which names came free or were taken: who can have all of its names now is served, wherever it waits, and so are those whom
 * one held up that cannot have them any more.
 */
import { assert, LIMITS } from "#std";
import { namesLacking } from "./access-conflict.ts";
import { freed, serveWaiters } from "./cascade.ts";
import { conflictAt } from "./conflict.ts";
import type { Draft } from "./draft.ts";
import { shortOf } from "./free.ts";
import type { Tried } from "./going-ahead.ts";
import { statedBy } from "./policy.ts";
import { claim, claimingOf, mayPreempt, planAgain, planFor } from "./preempt-for.ts";
import type { Asking, Behind, Shortage } from "./shortage.ts";
import type { Waiter } from "./state.ts";
import { strategyAt, strategyNamed } from "./strategies/index.ts";
import { isFinalStep, sightOfWish } from "./tranche-sight.ts";

/** Undefined: it can have all names that it wants, as most do, who want none. Preempts nobody: a name is only ever given back. */
export function namesShort(
  draft: Draft,
  { parent, wish }: Asking,
  { demand, ahead }: Behind,
  tried?: Tried,
): Shortage | undefined {
  const { state, nowMs } = draft;
  if (wish.type !== "open" || wish.access === undefined || state.names.size === 0) return undefined;
  const under = tried?.under ?? "policy";
  const lacking = namesLacking(state, { parent, wish, nowMs, rank: ahead.rank, under });
  if (!lacking) return undefined;
  const sight = sightOfWish(state, parent, wish);
  const short = shortOf(parent, demand.min, sight);
  const never =
    short && conflictAt({ node: parent, resource: short, wanted: demand.min[short], nowMs, wish, sight, under });
  if (never?.never) return { type: "refused", refusal: { code: "conflict", conflict: never } };
  const strategy = strategyNamed(wish.strategy ?? strategyAt(parent, under));
  assert(strategy !== undefined, "the strategy was checked before");
  // Whoever draws from above does not wait below, as for budget.
  const mayWait = parent.pooled.length === 0 && strategy.whenShort(wish) === "queue" && !isFinalStep(wish);
  const { conflict, circle } = lacking;
  if (!mayWait) return { type: "refused", refusal: { code: "conflict", conflict: { ...conflict, position: 0 } } };
  if (circle) return { type: "refused", refusal: circle };
  const lengthMax = statedBy(parent.policy, "queueLengthMax", under) ?? LIMITS.queueLengthMax;
  if (parent.waiters.size >= lengthMax) {
    const message = `${lengthMax === 1 ? "1 request already waits" : `${lengthMax} requests already wait`} at ${parent.path}`;
    return { type: "refused", refusal: { code: "too_many", message, retryAfterMs: LIMITS.retryAfterMs } };
  }
  const waitMs = Math.min(wish.waitMs, statedBy(parent.policy, "queueWaitMsMax", under) ?? LIMITS.queueWaitMsMax);
  return { type: "waits", conflict, waitMs, plan: undefined };
}

/** To be called at the end of a decision; who is served may give up a turn for which others have waited. */
export function serveTurned(draft: Draft): void {
  const { turned } = draft.state.names;
  for (const waiter of turned) {
    turned.delete(waiter);
    serve(draft, waiter);
  }
}

function serve(draft: Draft, waiter: Waiter): void {
  const { state } = draft;
  const node = state.allocations.get(waiter.parentId);
  const waits = () => state.effects.get(waiter.effectKey) === waiter && waiter.shut !== true;
  if (!node) return;
  // One that is shut out now has kept from others what it does not claim any more.
  serveWaiters(draft, node);
  // Others give way to it as if it had come now; while it was shut out that would have been in vain.
  if (!waits() || !mayPreempt(node, waiter.request)) return;
  const known = node.waiters.claims.get(waiter.effectKey);
  if (!known) claim(draft, node, { waiter, plan: planFor(draft, claimingOf(node, waiter), "all") });
  else if (known.givers.length === 0) planAgain(draft, node, known);
  freed(draft, node);
}
