/**
 * Shadow: what a policy that is tried beside the one in force would make of a request, on the books as they are and with those who wait now.
 * Nothing is changed by looking, so that what is decided is the same with it and without; and as nothing of it is ever done, there is no
 * queue of its own and no work that it would have granted. It is decided where it can differ: where it says what is in force there is nothing
 * to try.
 */
import { LIMITS } from "#std";
import { ZERO } from "./amount.ts";
import { namesShort } from "./await-names.ts";
import type { GrantWish } from "./command.ts";
import type { Draft } from "./draft.ts";
import type { Tried } from "./going-ahead.ts";
import { available } from "./grant.ts";
import type { Outcome, Refusal, ShadowGiver, ShadowResult, Would } from "./outcome.ts";
import { statedBy } from "./policy.ts";
import { preemptionRulesAt } from "./preemption-rules.ts";
import { type Amounts, CONSUMABLES, isNothing, monusAmounts, NOTHING } from "./resource.ts";
import { queueAsTried } from "./shadow-queue.ts";
import type { SharedNode } from "./shared-node.ts";
import { sharedAsTried } from "./sharing.ts";
import { type Asking, type Behind, behindOf, lackingAt, type Shortage, shortageOf } from "./shortage.ts";
import type { Allocation, BudgetState } from "./state.ts";
import { orderAt, strategyAt } from "./strategies/index.ts";
import type { VictimPlan } from "./strategies/victim-plan.ts";
import type { StrategyInForce } from "./strategy-in-force.ts";
import { portionAsTried } from "./take-portion.ts";
import { sightOfWish } from "./tranche-sight.ts";

/** Whether a policy is tried there that may decide otherwise. What was reserved is honoured by every policy: there is nothing to try. */
export function isTried(node: Allocation, { reservationId }: GrantWish): boolean {
  return reservationId === undefined && isTriedAt(node);
}

/** Whether a policy is tried at the node that may decide otherwise than the one in force. */
function isTriedAt(node: Allocation): boolean {
  let at: Allocation | undefined = node;
  while (at && at.policy.shadow === undefined) at = at.parent;
  if (!at) return false;
  if (strategyAt(node) !== strategyAt(node, "shadow")) return true;
  if (["queueLengthMax", "queueWaitMsMax", "requestMayChoose"].some((key) => isOther(node, key as OwnTerm)))
    return true;
  const [order, tried] = [orderAt(node), orderAt(node, "shadow")];
  if (order.agingStepMs !== tried.agingStepMs) return true;
  return JSON.stringify(preemptionRulesAt(node)) !== JSON.stringify(preemptionRulesAt(node, "shadow"));
}

type OwnTerm = "queueLengthMax" | "queueWaitMsMax" | "requestMayChoose";

function isOther({ policy }: Allocation, key: OwnTerm): boolean {
  return statedBy(policy, key, "policy") !== statedBy(policy, key, "shadow");
}

export interface ShadowQuestion {
  readonly asking: Asking;
  /** What the policy that is tried refuses before it looks at the books. */
  readonly barred: Refusal | undefined;
}

/** To be asked before the request is decided: on the same books. */
export function shadowOf(draft: Draft, { asking, barred }: ShadowQuestion): ShadowResult {
  if (barred) return { would: "REFUSED", refusal: barred };
  const { parent, wish } = asking;
  const tried: Tried = { under: "shadow", waiters: queueAsTried(draft.state, parent) };
  const behind = behindOf(draft, asking, tried);
  const names = namesShort(draft, asking, behind, tried);
  if (names) return resultOf(draft, names);
  const shared = strategyAt(parent, "shadow") === "PROPORTIONAL_SHARING" ? sharedFor(draft, parent) : undefined;
  const portion = shared && portionAsTried(draft, shared, { wish, ...sharingOf(behind) });
  const resource = portion ? portion.short : lackingAt(draft, asking, behind, tried);
  if (resource === undefined) {
    const sight = sightOfWish(draft.state, parent, wish);
    return grantedAs(behind, wish, portion ? portion.give : available(parent, behind.demand.wanted, sight));
  }
  return resultOf(draft, shortageOf(draft, asking, { behind, resource, shared }, tried));
}

function sharedFor({ state }: Draft, node: Allocation): SharedNode {
  return sharedAsTried(state, node, () => queueAsTried(state, node));
}

function sharingOf({ demand, ahead: { claimed } }: Behind) {
  return { demand, claimed };
}

/** Told as the answer of a grant tells it: without the slot that an allocation takes for itself. */
function grantedAs({ demand }: Behind, wish: GrantWish, give: Amounts): ShadowResult {
  const lacking = monusAmounts(demand.wanted, give);
  const granted = wish.type === "raise" ? give : { ...give, branches: wish.limits.branches ?? ZERO };
  return { would: isNothing(lacking) ? "GRANTED" : "GRANTED_IN_PART", granted, lacking };
}

function resultOf({ state }: Draft, shortage: Shortage): ShadowResult {
  if (shortage.type === "refused") return { would: "REFUSED", refusal: shortage.refusal };
  const { conflict, plan } = shortage;
  if (plan?.type !== "plan") return { would: "QUEUED", conflict };
  const givers = giversOf(state, plan);
  const told = givers.slice(0, LIMITS.shadowGiversTold);
  return { would: "PREEMPTING", givers: told, giversMore: givers.length - told.length, conflict };
}

/** Work that would give way; room that is set aside for other requests is none. */
function giversOf({ allocations }: BudgetState, { unspent, victims }: CarriedOut): ShadowGiver[] {
  const shrinking = unspent.map(({ id }) => ({ id, mode: "SHRINK" as const }));
  return [...shrinking, ...victims].flatMap(({ id, mode }) => {
    const path = allocations.get(id)?.path;
    return path === undefined ? [] : [{ path, mode }];
  });
}

type CarriedOut = Extract<VictimPlan, { readonly type: "plan" }>;

/** The outcome with what the other policy would have made of the request; `preempts`: others give way to it. */
export function withShadow(
  outcome: Outcome,
  {
    result,
    strategy,
    preempts,
  }: { readonly result: ShadowResult; readonly strategy: StrategyInForce; readonly preempts: boolean },
): Outcome {
  const was = preempts ? "PREEMPTING" : kindOf(outcome);
  if (was === undefined) return outcome;
  const shadow = { ...result, strategy, was, agrees: was === result.would && grantsSame(outcome, result) };
  return { ...outcome, shadow } as Outcome;
}

function kindOf(outcome: Outcome): Would | undefined {
  if (outcome.type === "opened" || outcome.type === "raised") return outcome.partial ? "GRANTED_IN_PART" : "GRANTED";
  if (outcome.type === "queued") return "QUEUED";
  return outcome.type === "refused" ? "REFUSED" : undefined;
}

function grantsSame(outcome: Outcome, result: ShadowResult): boolean {
  if (result.would !== "GRANTED_IN_PART") return true;
  const granted = outcome.type === "opened" ? outcome.grantedTotal : outcome.type === "raised" ? outcome.by : NOTHING;
  return CONSUMABLES.every((resource) => granted[resource] === result.granted[resource]);
}
