/** Carrying out a grant that has been decided: what pools must draw first, then the allocation or the raise, and its kept answer. */
import { assert } from "#std";
import { type Amount, least, monus } from "./amount.ts";
import type { GrantWish, OpenWish } from "./command.ts";
import { limitsUnder } from "./demand.ts";
import { type Draft, emit } from "./draft.ts";
import { answerOf } from "./effect.ts";
import type { AllocationOpened, EffectMark } from "./event.ts";
import { drawableOf, paidAhead } from "./free.ts";
import { leaseEnd, leaseUnder } from "./lease.ts";
import type { OutcomeOf } from "./outcome.ts";
import { type Amounts, amountsOf, type Consumable, type Demand, isNothing } from "./resource.ts";
import type { Allocation } from "./state.ts";

/** A wish at the node that is to meet it, with the key and the hash under which its effect is remembered. */
export interface Weighing {
  readonly parent: Allocation;
  readonly wish: GrantWish;
  readonly key: string;
  readonly print: number;
}

/** Grants the whole, or where less can be had that much; it must fit. */
export function grant(
  draft: Draft,
  { parent, wish, key, print }: Weighing,
  demand: Demand,
): OutcomeOf<"opened" | "raised"> {
  const amounts = available(parent, demand.wanted);
  const partial = amounts !== demand.wanted;
  const effect: EffectMark = { key, fingerprint: print, partial };
  draw(draft, parent, amounts);
  if (wish.type === "open") open(draft, { parent, wish, amounts, effect });
  else emit(draft, { type: "limit_raised", atMs: draft.nowMs, allocationId: wish.allocationId, by: amounts, effect });
  const kept = draft.state.effects.get(key);
  assert(kept !== undefined, "a grant keeps its answer");
  const answer = answerOf(kept);
  assert(answer?.type === "opened" || answer?.type === "raised", "the answer of a grant is what it gave");
  return answer.type === "opened" ? { ...answer, decidedAtMs: draft.nowMs } : answer;
}

/** What was wanted, or as much of it as can be had. */
function available(parent: Allocation, wanted: Amounts): Amounts {
  const credits = least(wanted.credits, drawableOf(parent, "credits"));
  const toolCalls = least(wanted.toolCalls, drawableOf(parent, "toolCalls"));
  const whole = credits === wanted.credits && toolCalls === wanted.toolCalls;
  return whole ? wanted : { ...wanted, credits, toolCalls };
}

/** Raises pooled nodes, the highest first, until `node` itself has what is to be taken from it. */
export function draw(draft: Draft, node: Allocation, amounts: Amounts): void {
  if (node.pooled.length === 0 || !node.parent) return;
  const lack = (resource: Consumable) => {
    if (amounts[resource] === 0 || !node.pooled.includes(resource)) return 0 as Amount;
    const { available, debt } = node.books[resource];
    return Math.max(0, amounts[resource] + debt - available) as Amount;
  };
  const by = amountsOf({ credits: lack("credits"), toolCalls: lack("toolCalls") });
  if (isNothing(by)) return;
  const cost = (resource: Consumable) => monus(by[resource], paidAhead(node, resource));
  draw(draft, node.parent, amountsOf({ credits: cost("credits"), toolCalls: cost("toolCalls") }));
  emit(draft, { type: "limit_raised", atMs: draft.nowMs, allocationId: node.id, by, effect: undefined });
}

interface Opening {
  readonly parent: Allocation;
  readonly wish: OpenWish;
  readonly amounts: Amounts;
  readonly effect: EffectMark;
}

function open(draft: Draft, { parent, wish, amounts, effect }: Opening): void {
  const { nowMs } = draft;
  const limits = limitsUnder(parent, wish.limits);
  if (limits.credits !== undefined) limits.credits = amounts.credits;
  if (limits.toolCalls !== undefined) limits.toolCalls = amounts.toolCalls;
  const delegated = wish.holder !== undefined;
  const event: AllocationOpened = {
    type: "allocation_opened",
    atMs: nowMs,
    allocationId: wish.allocationId,
    parentId: parent.id,
    name: wish.name,
    path: `${parent.path}/${wish.name}`,
    depth: parent.depth + 1,
    kind: wish.kind,
    side: delegated ? "delegated" : "local",
    limits,
    pooled: wish.pooled.filter((resource) => wish.limits[resource] === undefined && limits[resource] !== undefined),
    priority: wish.priority,
    weight: wish.weight,
    policy: wish.policy,
    deadlineAtMs: deadlineUnder(parent, nowMs, wish.limits.durationMs),
    peer: wish.holder,
    token: wish.token,
    epoch: 1,
    leaseTtlMs: wish.leaseTtlMs,
    leaseEndsAtMs: delegated ? leaseEnd(nowMs, leaseUnder(parent, nowMs, wish.leaseTtlMs)) : undefined,
    effect,
  };
  emit(draft, event, parent);
}

/** The earlier of the parent's deadline and the wish's own. */
export function deadlineUnder(parent: Allocation, nowMs: number, durationMs: number | undefined): number | undefined {
  if (durationMs === undefined) return parent.deadlineAtMs;
  const own = nowMs + durationMs;
  return parent.deadlineAtMs === undefined ? own : Math.min(own, parent.deadlineAtMs);
}
