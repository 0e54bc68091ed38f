/** What is free in a subtree, as far as it is known here: what a SHRINK of its top would bring. */
import { LIMITS } from "#std";
import { type Amount, add, monus, ZERO } from "./amount.ts";
import { pendingOf, withoutExhausted } from "./asked.ts";
import { freeOf, isLimited, keepsCredits, owedAt, reclaimable, sightOfParent } from "./free.ts";
import { type Amounts, CONSUMABLES, HELD_RESOURCES, isNothing, NOTHING, type Resource } from "./resource.ts";
import type { Allocation } from "./state.ts";

/** What of it counts: all that is unspent, or only what is here and so comes back at once. */
export type Reach = "all" | "at_once";

/** Less what is owed already, and never more than there is; of a subtree of more than LIMITS.unspentScanMax nodes only what was looked at. */
export function unspentOf(node: Allocation, reach: Reach): Amounts {
  const left = { nodes: LIMITS.unspentScanMax };
  const found = { credits: ZERO, toolCalls: ZERO, branches: ZERO, memoryBytes: ZERO };
  for (const resource of [...CONSUMABLES, ...HELD_RESOURCES]) {
    left.nodes = LIMITS.unspentScanMax;
    if (isLimited(node, resource)) found[resource] = unspentAt(node, resource, { reach, left });
  }
  return found;
}

interface Looking {
  readonly reach: Reach;
  readonly left: { nodes: number };
}

function unspentAt(node: Allocation, resource: Resource, looking: Looking): Amount {
  const { reach, left } = looking;
  left.nodes -= 1;
  if (node.state === "closed" || left.nodes < 0) return ZERO;
  if (node.side === "delegated") return reach === "all" && !node.doubtful ? unusedOf(node, resource) : ZERO;
  if (resource === "credits" && keepsCredits(node)) return ZERO;
  let free = freeOf(node, resource, sightOfParent(node));
  for (const child of node.children) {
    if (left.nodes <= 0) break;
    // What is given back by one that is not limited does not stand in its books.
    if (child.state === "open" && isLimited(child, resource)) free = add(free, unspentAt(child, resource, looking));
  }
  return monus(free, owedAt(node, resource));
}

/** Of what another daemon holds: what it is not known to have used and does not owe already. */
function unusedOf(node: Allocation, resource: Resource): Amount {
  if (node.reclaims.size === 0) return reclaimable(node)[resource];
  return monus(withoutExhausted(node, reclaimable(node))[resource], owedBy(node)[resource]);
}

/** What the node owes to preemptions of itself, but for those whose names begin so. */
export function owedBy(node: Allocation, own?: string): Amounts {
  if (node.reclaims.size === 0) return NOTHING;
  let owed: Amounts = NOTHING;
  for (const reclaim of node.reclaims.values()) {
    if (own === undefined || !reclaim.preemptionId.startsWith(own)) owed = plus(owed, pendingOf(reclaim));
  }
  return owed;
}

function plus(a: Amounts, b: Amounts): Amounts {
  if (isNothing(a)) return b;
  return {
    credits: add(a.credits, b.credits),
    toolCalls: add(a.toolCalls, b.toolCalls),
    branches: add(a.branches, b.branches),
    memoryBytes: add(a.memoryBytes, b.memoryBytes),
  };
}

/** What preemptions of the node and of all above it want still: what comes free there goes to them before anybody. */
export function owedAbove(node: Allocation): Amounts {
  let owed: Amounts = NOTHING;
  for (let at: Allocation | undefined = node; at; at = at.parent) owed = plus(owed, owedBy(at));
  return owed;
}

/** Whether somebody further up wants budget back of the node. */
export function isAskedFor(node: Allocation): boolean {
  return !isNothing(owedAbove(node));
}
