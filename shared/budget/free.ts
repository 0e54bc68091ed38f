/**
 * What of a resource is free at a node, what could be had there by drawing on the pools above, and how much can still be booked at all
 * before an amount would leave its range.
 */
import { LIMITS } from "#std";
import { type Amount, monus, ZERO } from "./amount.ts";
import { bookOf, heldBookOf } from "./ledger.ts";
import { type Amounts, CONSUMABLES, type Consumable, HELD_RESOURCES, NOTHING, type Resource } from "./resource.ts";
import { type Allocation, rootOf } from "./state.ts";

export function isConsumable(resource: Resource): resource is Consumable {
  return resource === "credits" || resource === "toolCalls";
}

export function isLimited(node: Allocation, resource: Resource): boolean {
  return !(isConsumable(resource) ? bookOf(node, resource) : heldBookOf(node, resource)).elastic;
}

function isPooled(node: Allocation, resource: Resource): boolean {
  return node.pooled.length > 0 && isConsumable(resource) && node.pooled.includes(resource);
}

/** What of the resource is free at the node and set aside for nobody; where nothing limits it, what can be counted. */
export function freeOf(node: Allocation, resource: Resource): Amount {
  if (isConsumable(resource)) {
    const book = bookOf(node, resource);
    // An unlimited book takes its limit from above, and the topmost is the largest.
    if (book.elastic) return (LIMITS.amountMax - bookOf(rootOf(node), resource).limit) as Amount;
    return monus(book.available, node.waiters.earmarks.total[resource]);
  }
  const book = heldBookOf(node, resource);
  if (book.elastic) return (LIMITS.amountMax - book.inUse) as Amount;
  return monus((book.limit - book.inUse) as Amount, node.waiters.earmarks.total[resource]);
}

/** Everything that is free at the node of what is limited there: what it can hand back. */
export function freeOfNode(node: Allocation): Amounts {
  const { credits, toolCalls } = node.books;
  const { branches, memoryBytes } = node.held;
  const { total } = node.waiters.earmarks;
  return {
    credits: monus(credits.available, total.credits),
    toolCalls: monus(toolCalls.available, total.toolCalls),
    branches: branches.elastic ? ZERO : freeOf(node, "branches"),
    memoryBytes: memoryBytes.elastic ? ZERO : freeOf(node, "memoryBytes"),
  };
}

/** What could be had of the resource at the node: what is free there and, where it is pooled, above. */
export function drawableOf(node: Allocation, resource: Resource): Amount {
  const free = freeOf(node, resource);
  if (!node.parent || !isConsumable(resource) || !isPooled(node, resource)) return free;
  const { debt } = bookOf(node, resource);
  return Math.max(0, free - debt + paidAhead(node, resource) + drawableOf(node.parent, resource)) as Amount;
}

/** What the parent has paid already beyond the node's limit: a raise by this much takes nothing more of it. */
export function paidAhead(node: Allocation, resource: Consumable): Amount {
  const { limit, usage } = bookOf(node, resource);
  return monus(usage, limit);
}

export function drawable(node: Allocation): Amounts {
  return {
    credits: drawableOf(node, "credits"),
    toolCalls: drawableOf(node, "toolCalls"),
    branches: freeOf(node, "branches"),
    memoryBytes: freeOf(node, "memoryBytes"),
  };
}

/** The limit that can refuse a request for good; Infinity where there is none. */
export function limitOf(node: Allocation, resource: Resource): number {
  if (!isLimited(node, resource) || isPooled(node, resource)) return Number.POSITIVE_INFINITY;
  return (isConsumable(resource) ? bookOf(node, resource) : heldBookOf(node, resource)).limit;
}

/** The first resource, in the fixed order of RESOURCES, of which less than `min` can be had. Where there is debt nothing can be had. */
export function shortOf(node: Allocation, min: Amounts): Resource | undefined {
  for (const resource of CONSUMABLES) {
    if (min[resource] > 0 && min[resource] > drawableOf(node, resource)) return resource;
  }
  for (const resource of HELD_RESOURCES) if (min[resource] > freeOf(node, resource)) return resource;
  return undefined;
}

/** The node whose budget it is: the nearest one that does not draw it from its parent. */
export function sourceOf(node: Allocation, resource: Resource): Allocation {
  let source = node;
  while (source.parent && isPooled(source, resource)) source = source.parent;
  return source;
}

/** How much more can be owed at the node, and at all above it, before an amount would be above 2^53-1. */
export function bookableOf(node: Allocation, resource: Consumable): number {
  let room: number = LIMITS.amountMax;
  for (let at: Allocation | undefined = node; at; at = at.parent) {
    const { limit, debt } = bookOf(at, resource);
    room = Math.min(room, LIMITS.amountMax - limit - debt);
  }
  return room;
}

/** The most that could ever come back: what is not known to be used up. */
export function reclaimable(node: Allocation): Amounts {
  const left = (resource: Resource) => {
    if (!isLimited(node, resource)) return ZERO;
    if (!isConsumable(resource)) return node.held[resource].limit;
    return monus(node.books[resource].limit, node.books[resource].usage);
  };
  return {
    credits: left("credits"),
    toolCalls: left("toolCalls"),
    branches: left("branches"),
    memoryBytes: left("memoryBytes"),
  };
}

/** The same of credits and tool calls alone: of what an allocation holds, its work is using it though it stands still. */
export function reclaimableWhilePaused(node: Allocation): Amounts {
  const { credits, toolCalls } = reclaimable(node);
  return { ...NOTHING, credits, toolCalls };
}
