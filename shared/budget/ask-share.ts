/** Asking a child for what is above its share, by SHRINK: what is free in it comes back at once if its books are here. */
import { LIMITS } from "#std";
import { type Amount, least, monus, ZERO } from "./amount.ts";
import { pendingOf } from "./asked.ts";
import { type Draft, emit } from "./draft.ts";
import { reclaimable } from "./free.ts";
import { reservedUnder } from "./keep-reserved.ts";
import { beginReclaim } from "./reclaim-begin.ts";
import { type Amounts, amountsOf, type Consumable, NOTHING } from "./resource.ts";
import { shareAskName } from "./share-wish.ts";
import type { SharedNode } from "./shared-node.ts";
import type { Allocation, BudgetState } from "./state.ts";

/**
 * What of a child is neither used, reserved there nor asked for, and leaves it all that it needs at least: where part of that was drawn of a
 * reserve, the shares count the general credits alone, and what others ask back fills the reserve first.
 */
export function givable(state: BudgetState, child: Allocation, resource: Consumable): Amount {
  let left = monus(reclaimable(child)[resource], reservedUnder(state, child)[resource]);
  let kept: Amount = child.books[resource].limit;
  for (const reclaim of child.reclaims.values()) {
    left = monus(left, pendingOf(reclaim)[resource]);
    kept = monus(kept, pendingOf(reclaim)[resource]);
  }
  return least(left, monus(kept, state.sharing.wishes.get(child)?.min[resource] ?? ZERO));
}

export function askShare(draft: Draft, { node }: SharedNode, child: Allocation, wanted: Amounts): void {
  if (child.reclaims.size >= LIMITS.pendingReclaimsMax) return;
  rememberWish(draft, child);
  const reason = `its share of ${node.path} is smaller now`;
  beginReclaim(draft, child, { preemptionId: nameFor(draft, child), mode: "SHRINK", reason, wanted });
}

/** Who was granted before the node divided wishes what it had before it was asked to give. */
function rememberWish(draft: Draft, child: Allocation): void {
  if (draft.state.sharing.wishes.has(child)) return;
  const { credits, toolCalls } = child.books;
  const max = amountsOf({ credits: credits.limit, toolCalls: toolCalls.limit });
  const raised = { type: "limit_raised", atMs: draft.nowMs, allocationId: child.id, by: NOTHING } as const;
  emit(draft, { ...raised, effect: undefined, wish: { min: NOTHING, max } }, child);
}

function nameFor(draft: Draft, child: Allocation): string {
  const isTaken = (name: string) => child.reclaims.has(name) || child.endedReclaims.has(name);
  let name = shareAskName(child.id, draft.nowMs, 0);
  for (let number = 1; isTaken(name); number += 1) name = shareAskName(child.id, draft.nowMs, number);
  return name;
}
