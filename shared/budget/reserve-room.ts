/** Room that one who gives way has given back is set aside for the claim that it was asked for, up to what that needs. */
import { monus } from "./amount.ts";
import { pendingOf } from "./asked.ts";
import { answered, type Draft, emit, note } from "./draft.ts";
import { freeAmounts } from "./free.ts";
import { type Amounts, amountsOf, isNothing, leastAmounts, monusAmounts } from "./resource.ts";
import { type Allocation, heldShare } from "./state.ts";
import { sightOfRank } from "./tranche-draw.ts";
import { owedAbove } from "./unspent.ts";

/** To be called when `by` has come back from the child to its parent; `preemptionId`: the preemption that it feeds there, if any. */
export function gaveWay(draft: Draft, child: Allocation, by: Amounts, preemptionId?: string): void {
  const { parent: node } = child;
  if (!node || node.waiters.claims.size === 0) return;
  note(draft, node);
  if (isAll(child, preemptionId)) answered(draft, child, preemptionId);
  let rest = monusAmounts(by, owedAbove(node));
  for (const { waiter } of node.waiters.claims.of(child.id, preemptionId)) {
    const needed = monusAmounts(waiter.demand.min, node.waiters.earmarks.of(waiter.effectKey));
    const part = leastAmounts(leastAmounts(rest, needed), freeAmounts(node, sightOfRank(waiter.base)));
    if (isNothing(part)) continue;
    const event = { type: "room_reserved", atMs: draft.nowMs, parentId: node.id } as const;
    emit(draft, { ...event, effectKey: waiter.effectKey, by: part, fromEffectKey: undefined }, node);
    rest = monusAmounts(rest, part);
  }
}

/** Nothing more comes of the child, or of the preemption. */
function isAll(child: Allocation, preemptionId: string | undefined): boolean {
  if (child.state === "closed" || preemptionId === undefined) return child.state === "closed";
  const reclaim = child.reclaims.get(preemptionId);
  return !reclaim || isNothing(pendingOf(reclaim));
}

/** What comes back to the parent at the close of a node that is closing and empty. */
export function backAtClose(node: Allocation): Amounts {
  const { credits, toolCalls } = node.books;
  return amountsOf({
    credits: credits.elastic ? undefined : monus(credits.limit, credits.usage),
    toolCalls: toolCalls.elastic ? undefined : monus(toolCalls.limit, toolCalls.usage),
    branches: heldShare(node, "branches"),
    memoryBytes: heldShare(node, "memoryBytes"),
  });
}
