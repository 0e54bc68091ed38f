/**
 * What of a resource is free at a node, what could be had there by drawing on the pools above, and how much can still be booked at all
 * before an amount would leave its range. Free for whom is said by a sight: which tranches of the credits may be drawn (tranches.ts).
 */
import { LIMITS } from "#std";
import { type Amount, monus, ZERO } from "./amount.ts";
import { bookOf, heldBookOf } from "./ledger.ts";
import { type Amounts, CONSUMABLES, type Consumable, HELD_RESOURCES, NOTHING, type Resource } from "./resource.ts";
import { type Allocation, rootOf } from "./state.ts";
import { drawableBy, sightIn, sightOfCalls } from "./tranche-draw.ts";
import { BY_PRIORITY, EVERYTHING, GENERAL, NO_TRANCHES, partsBy, type Sight, sees, sumOf } from "./tranches.ts";

export function isConsumable(resource: Resource): resource is Consumable {
  return resource === "credits" || resource === "toolCalls";
}

export function isLimited(node: Allocation, resource: Resource): boolean {
  return !(isConsumable(resource) ? bookOf(node, resource) : heldBookOf(node, resource)).elastic;
}

function isPooled(node: Allocation, resource: Resource): boolean {
  return node.pooled.length > 0 && isConsumable(resource) && node.pooled.includes(resource);
}

/**
 * What of the resource is free at the node and set aside for nobody; where nothing limits it, what can be counted. `sight`: for whom;
 * default: for everybody.
 */
export function freeOf(node: Allocation, resource: Resource, sight: Sight = GENERAL): Amount {
  if (isConsumable(resource)) {
    const book = bookOf(node, resource);
    if (node.tranches !== NO_TRANCHES && resource === "credits") return drawableBy(node, sight);
    // An unlimited book takes its limit from above, and the topmost is the largest.
    if (book.elastic) return (LIMITS.amountMax - bookOf(rootOf(node), resource).limit) as Amount;
    return monus(book.available, node.waiters.earmarks.total[resource]);
  }
  const book = heldBookOf(node, resource);
  if (book.elastic) return (LIMITS.amountMax - book.inUse) as Amount;
  return monus((book.limit - book.inUse) as Amount, node.waiters.earmarks.kept[resource]);
}

/** What can be handed up of the credits that are free in a node: all, but the wrap-up reserve only when it closes. */
export function sightOfParent({ state }: Allocation): Sight {
  return state === "open" ? BY_PRIORITY : EVERYTHING;
}

/** What comes back to the node of the resource pays this before any of it is free: debt, or what lacks of what is kept for reservations. */
export function owedAt(node: Allocation, resource: Resource): Amount {
  if (isConsumable(resource)) return bookOf(node, resource).debt;
  const { limit, inUse, elastic } = heldBookOf(node, resource);
  return elastic ? ZERO : monus(node.waiters.earmarks.kept[resource], monus(limit, inUse));
}

/** Everything that is free at the node of what is limited there: what it can hand back. A final step keeps its credits to its end. */
export function freeOfNode(node: Allocation): Amounts {
  const free = freeAmounts(node, sightOfParent(node));
  return keepsCredits(node) ? { ...free, credits: ZERO } : free;
}

/** Whether it is a final step that goes on; what it draws from above as it needs it, it hands back all the same. */
export function keepsCredits(node: Allocation): boolean {
  const { parent, state } = node;
  return parent?.tranches.finalStep === node && state === "open" && !isPooled(node, "credits");
}

/** Everything that is free at the node of what is limited there, for one with this sight. */
export function freeAmounts(node: Allocation, sight: Sight): Amounts {
  const { credits, toolCalls } = node.books;
  const { branches, memoryBytes } = node.held;
  const { total } = node.waiters.earmarks;
  return {
    credits: node.tranches === NO_TRANCHES ? monus(credits.available, total.credits) : drawableBy(node, sight),
    toolCalls: monus(toolCalls.available, total.toolCalls),
    branches: branches.elastic ? ZERO : freeOf(node, "branches"),
    memoryBytes: memoryBytes.elastic ? ZERO : freeOf(node, "memoryBytes"),
  };
}

/** What could be had of the resource at the node: what is free there and, where it is pooled, above, where the node itself draws it. */
export function drawableOf(node: Allocation, resource: Resource, sight: Sight): Amount {
  const free = freeOf(node, resource, sight);
  const { parent } = node;
  if (!parent || !isConsumable(resource) || !isPooled(node, resource)) return free;
  const { debt } = bookOf(node, resource);
  const above = drawableOf(parent, resource, sightIn(parent, node));
  return Math.max(0, free - debt + paidAhead(node, resource) + above) as Amount;
}

/** What the parent has paid already beyond the node's limit: a raise by this much takes nothing more of it. */
export function paidAhead(node: Allocation, resource: Consumable): Amount {
  const { limit, usage } = bookOf(node, resource);
  return monus(usage, limit);
}

export function drawable(node: Allocation, sight: Sight): Amounts {
  return {
    credits: drawableOf(node, "credits", sight),
    toolCalls: drawableOf(node, "toolCalls", sight),
    branches: freeOf(node, "branches"),
    memoryBytes: freeOf(node, "memoryBytes"),
  };
}

/** Whether nothing is left of its credits for its own work, but what it keeps for its final step or for work of higher priority. */
export function isUsedUp(node: Allocation): boolean {
  return isLimited(node, "credits") && freeOf(node, "credits", sightOfCalls(node)) === 0;
}

/** The limit that can refuse a request with this sight for good; Infinity where there is none. */
export function limitOf(node: Allocation, resource: Resource, sight: Sight): number {
  if (!isLimited(node, resource) || isPooled(node, resource)) return Number.POSITIVE_INFINITY;
  const { limit } = isConsumable(resource) ? bookOf(node, resource) : heldBookOf(node, resource);
  return resource === "credits" && node.tranches !== NO_TRANCHES ? monus(limit, hiddenFrom(node, sight)) : limit;
}

/** What is carved and not spent yet, and is never drawn with this sight. */
function hiddenFrom({ tranches: { left } }: Allocation, sight: Sight): Amount {
  return sumOf(partsBy((tranche) => (sees(sight, tranche) ? ZERO : left[tranche])));
}

/** The first resource, in the fixed order of RESOURCES, of which less than `min` can be had. Where there is debt nothing can be had. */
export function shortOf(node: Allocation, min: Amounts, sight: Sight): Resource | undefined {
  for (const resource of CONSUMABLES) {
    if (min[resource] > 0 && min[resource] > drawableOf(node, resource, sight)) return resource;
  }
  for (const resource of HELD_RESOURCES) if (min[resource] > freeOf(node, resource)) return resource;
  return undefined;
}

/** Whose budget it is: the nearest node that does not draw it from its parent; and what may be drawn there by who draws at this one. */
export function sourceFor(
  node: Allocation,
  resource: Resource,
  sight: Sight,
): { readonly node: Allocation; readonly sight: Sight } {
  let source = { node, sight };
  while (source.node.parent && isPooled(source.node, resource)) {
    const { parent } = source.node;
    source = { node: parent, sight: sightIn(parent, source.node) };
  }
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

/** The most that could come back while it is open: all but what it keeps for its final step, and nothing of that itself. */
export function reclaimable(node: Allocation): Amounts {
  const all = reclaimableByStop(node);
  if (keepsCredits(node)) return { ...all, credits: ZERO };
  const { wrapUp } = node.tranches.left;
  return wrapUp === 0 ? all : { ...all, credits: monus(all.credits, wrapUp) };
}

/** The most that could ever come back: what is not known to be used up. */
export function reclaimableByStop(node: Allocation): Amounts {
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
