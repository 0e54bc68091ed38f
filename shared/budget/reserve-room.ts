/** Room that one who gives way has given back is set aside for the claim that it was asked for, up to what that needs. */
import { monus } from "./amount.ts";
import { type Draft, emit, note } from "./draft.ts";
import { freeOfNode } from "./free.ts";
import { type Amounts, amountsOf, isNothing, leastAmounts, monusAmounts } from "./resource.ts";
import { type Allocation, heldShare } from "./state.ts";
import { owedAbove } from "./unspent.ts";

/** To be called when `by` has come back from the child to its parent; `preemptionId`: the preemption that it feeds there, if any. */
export function gaveWay(draft: Draft, child: Allocation, by: Amounts, preemptionId?: string): void {
  const { parent: node } = child;
  if (!node || node.waiters.claims.size === 0) return;
  note(draft, node);
  let rest = monusAmounts(by, owedAbove(node));
  for (const { waiter } of node.waiters.claims.of(child.id, preemptionId)) {
    const needed = monusAmounts(waiter.demand.min, node.waiters.earmarks.of(waiter.effectKey));
    const part = leastAmounts(leastAmounts(rest, needed), freeOfNode(node));
    if (isNothing(part)) continue;
    const event = { type: "room_reserved", atMs: draft.nowMs, parentId: node.id } as const;
    emit(draft, { ...event, effectKey: waiter.effectKey, by: part, fromEffectKey: undefined }, node);
    rest = monusAmounts(rest, part);
  }
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
