/** Paused work is given back what it gave for its pause, when its turn in the queue has come. */
import { ZERO } from "./amount.ts";
import { type Draft, emit, note } from "./draft.ts";
import { draw } from "./grant.ts";
import { dequeue, isToGoOn } from "./queue.ts";
import { type Amounts, amountsOf } from "./resource.ts";
import { raisedWish, sharedAt } from "./sharing.ts";
import type { Allocation, Reclaim, Waiter } from "./state.ts";

/** What an allocation is to have again; what it does not keep it draws as it needs it. */
export function givenBack({ pooled }: Allocation, { reclaimed }: Reclaim): Amounts {
  return amountsOf({
    credits: pooled.includes("credits") ? ZERO : reclaimed.credits,
    toolCalls: pooled.includes("toolCalls") ? ZERO : reclaimed.toolCalls,
  });
}

/** How an allocation waits for the end of a pause, if it does. */
export function waitingToGoOn({ id, parent }: Allocation, preemptionId: string): Waiter | undefined {
  return parent?.waiters.raisesOf(id).find(({ request }) => isToGoOn(request) && request.resumes === preemptionId);
}

/** There must be room for it. The pause ends with the decision. */
export function giveBack(draft: Draft, parent: Allocation, waiter: Waiter): void {
  const { request, demand } = waiter;
  if (!isToGoOn(request)) return;
  dequeue(draft, waiter, "granted");
  const node = draft.state.allocations.get(request.allocationId);
  if (!node) return;
  const by = demand.wanted;
  draw(draft, parent, by);
  const wish = sharedAt(draft.state, parent) ? { wish: raisedWish(draft.state, node, demand) } : {};
  const event = { type: "limit_raised", atMs: draft.nowMs, allocationId: node.id, by, effect: undefined } as const;
  emit(draft, { ...event, ...wish }, node);
  draft.goingOn ??= [];
  draft.goingOn.push({ node, preemptionId: request.resumes });
  note(draft, parent);
}
