/**
 * Tells that a budget runs low, before it is empty: when the use of a limit comes to a threshold of the policy (lowBudgetPercents).
 *
 * Use is what has been spent in the subtree as far as it is known here. What is only set aside or granted may come back, and a threshold that
 * it used up would be missing when the budget is truly spent. Use never falls (but with a correction), so a threshold is passed once, and
 * again only when the limit has grown in between; or shrunk, which is worth telling too. Nothing is remembered for that: the use before an
 * event and after it say whether a threshold lies between them. So it is not journaled, costs no memory, and a restart tells nothing twice.
 *
 * Told is a node whose own books are here, open and limited in the resource; and each daemon that holds something below it which draws on it.
 * On its way to such a daemon it may be lost: lowBudgetsOver says it again, as it stands.
 */
import { LIMITS } from "#std";
import { type Amount, monus } from "./amount.ts";
import { type Draft, say } from "./draft.ts";
import { bookOf } from "./ledger.ts";
import { CONSUMABLES, type Consumable } from "./resource.ts";
import type { Allocation } from "./state.ts";

interface Use {
  readonly limit: Amount;
  readonly usage: Amount;
}

export interface NodeUse {
  readonly credits: Use;
  readonly toolCalls: Use;
}

/** As it stands, to be compared with later. */
export function useOf({ books: { credits, toolCalls } }: Allocation): NodeUse {
  return {
    credits: { limit: credits.limit, usage: credits.usage },
    toolCalls: { limit: toolCalls.limit, usage: toolCalls.usage },
  };
}

/** Its own or the nearest above it here, in rising order. */
function lowBudgetPercentsAt(node: Allocation): readonly number[] {
  return lowBudgetPercentsAbove(node) ?? LIMITS.lowBudgetPercents;
}

/** Undefined where no policy says any. */
function lowBudgetPercentsAbove(node: Allocation): readonly number[] | undefined {
  for (let at: Allocation | undefined = node; at; at = at.parent) {
    const { lowBudgetPercents, inherited } = at.policy;
    if (lowBudgetPercents !== undefined) return lowBudgetPercents;
    if (inherited && !at.parent) return inherited.lowBudgetPercents;
  }
  return undefined;
}

/** The highest threshold that the use of the resource has reached, as far as it is known here; 0: none. */
export function lowPercentOf(node: Allocation, resource: Consumable): number {
  return hasLimit(node, resource) ? highest(lowBudgetPercentsAt(node), bookOf(node, resource)) : 0;
}

/** What runs low of that which an open delegated node draws on here: for its holder, who may have missed it while it could not be reached. */
export function lowBudgetsOver(held: Allocation): readonly Low[] {
  if (held.side !== "delegated" || held.state !== "open") return [];
  return held.pooled.flatMap((resource) => {
    let node = held;
    while (node.parent && node.pooled.includes(resource)) node = node.parent;
    const percent = lowPercentOf(node, resource);
    if (percent === 0) return [];
    const { limit, available } = bookOf(node, resource);
    return [{ allocationId: node.id, path: node.path, resource, percent, available, limit }];
  });
}

/** To be called when something was used or taken back at the node, with its use before that: tells of it and of all above it. */
export function tellLow(draft: Draft, node: Allocation, before: NodeUse): void {
  for (const resource of CONSUMABLES) {
    const was = resource === "credits" ? before.credits : before.toolCalls;
    const grown = monus(bookOf(node, resource).usage, was.usage);
    compare(draft, node, { resource, was });
    if (grown === 0) continue;
    for (let at = node.parent; at; at = at.parent) {
      const { limit, usage } = bookOf(at, resource);
      compare(draft, at, { resource, was: { limit, usage: monus(usage, grown) } });
    }
  }
}

function hasLimit(node: Allocation, resource: Consumable): boolean {
  return node.state === "open" && !bookOf(node, resource).elastic && !node.pooled.includes(resource);
}

interface Comparing {
  readonly resource: Consumable;
  readonly was: Use;
}

function compare(draft: Draft, node: Allocation, { resource, was }: Comparing): void {
  const { limit, usage, available } = bookOf(node, resource);
  if ((usage === was.usage && limit === was.limit) || node.side === "delegated") return;
  if (!hasLimit(node, resource)) return;
  const percents = lowBudgetPercentsAt(node);
  const percent = highest(percents, { limit, usage });
  if (percent === 0 || percent <= highest(percents, was)) return;
  const { id: allocationId, path } = node;
  const low = { allocationId, path, resource, percent, available, limit } as const;
  say(draft, { type: "low_budget", ...low, holder: undefined, heldId: allocationId });
  tellBelow(draft, node, low);
}

type Low = Omit<Extract<Draft["messages"][number], { readonly type: "low_budget" }>, "type" | "holder" | "heldId">;

/** Whoever draws on the node has no other budget. */
function tellBelow(draft: Draft, node: Allocation, low: Low): void {
  for (const child of node.children) {
    if (!child.pooled.includes(low.resource)) continue;
    if (child.side !== "delegated") tellBelow(draft, child, low);
    else say(draft, { type: "low_budget", ...low, holder: child.peer, heldId: child.id });
  }
}

function highest(percents: readonly number[], { limit, usage }: Use): number {
  let reached = 0;
  for (const percent of percents) if (limit > 0 && usage >= thresholdOf(limit, percent)) reached = percent;
  return reached;
}

/** So much of the limit, rounded up; in two parts, so that nothing leaves the whole numbers. */
function thresholdOf(limit: Amount, percent: number): number {
  const rest = limit % 100;
  return ((limit - rest) / 100) * percent + Math.ceil((rest * percent) / 100);
}
