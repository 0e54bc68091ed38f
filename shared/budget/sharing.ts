/**
 * Where budget is divided by weight: what children wish, which events say, and an index of the nodes that divide, which follows from the
 * state. Kept in step by evolve.
 */
import type { BudgetEvent, LimitsUpdated } from "./event.ts";
import { type Amounts, addAmounts, amountsOf, type Demand, leastAmounts, mostAmounts, NOTHING } from "./resource.ts";
import { isShareAsk, type ShareWish } from "./share-wish.ts";
import { SharedNode } from "./shared-node.ts";
import { Allocation, type BudgetState, type Hold, isUnder, type Waiter } from "./state.ts";
import { strategyAt } from "./strategies/index.ts";

/** The node as one that divides what it has, if its strategy is PROPORTIONAL_SHARING; counted up to now. */
export function sharedAt({ sharing }: BudgetState, node: Allocation): SharedNode | undefined {
  const known = nodeIn(sharing.nodes, node);
  if (known) {
    known.sync(sharing.wishes);
    return known;
  }
  if (node.side === "delegated" || node.state === "closed" || strategyAt(node) !== "PROPORTIONAL_SHARING")
    return undefined;
  const shared = new SharedNode(node, sharing.wishes);
  sharing.nodes.set(node, shared);
  return shared;
}

/** The node as one that would divide by the policy that is tried there, which says PROPORTIONAL_SHARING. */
export function sharedAsTried(state: BudgetState, node: Allocation, queue: () => Iterable<Waiter>): SharedNode {
  const { sharing, shadows } = state;
  const inForce = sharedAt(state, node);
  const shared = inForce ?? nodeIn(shadows.shared, node) ?? new SharedNode(node, sharing.wishes, queue);
  if (!inForce) {
    shadows.shared.set(node, shared);
    shared.sync(sharing.wishes);
  }
  return shared;
}

function nodeIn(nodes: BudgetState["sharing"]["nodes"], node: Allocation): SharedNode | undefined {
  const found = nodes.get(node);
  return found instanceof SharedNode ? found : undefined;
}

/**
 * Takes over what an event means for shares; to be called when the rest of the state has taken it over. `subject`: what it speaks of, where
 * that has been found already; always the allocation that it closed, which may be forgotten by then.
 */
export function followShares(state: BudgetState, event: BudgetEvent, subject?: Allocation | Hold): void {
  const { nodes, wishes } = state.sharing;
  const wish = event.type === "allocation_opened" || event.type === "limit_raised" ? event.wish : undefined;
  const { shared: tried } = state.shadows;
  if (wish === undefined && nodes.size === 0 && wishes.size === 0 && tried.size === 0) return;
  if (!("allocationId" in event)) return;
  // Of an opening it is the parent.
  const isFound = subject instanceof Allocation && subject.id === event.allocationId;
  const node = isFound ? subject : state.allocations.get(event.allocationId);
  if (!node) return;
  if (wish) wishes.set(node, wish);
  else if (wishes.has(node)) changeWish(state, node, event);
  if (event.type === "policy_set") leaveUnder(state, node);
  if (event.type === "tranches_set") {
    nodes.delete(node);
    tried.delete(node);
  }
  if (event.type === "allocation_closed") {
    wishes.delete(node);
    nodes.delete(node);
  }
  if (!node.parent || event.type === "usage_reported" || event.type === "hold_placed") return;
  const above = nodeIn(nodes, node.parent);
  if (above) follow(state, above, node);
  const asTried = tried.size > 0 && nodeIn(tried, node.parent);
  if (asTried) follow(state, asTried, node);
}

function follow(state: BudgetState, shared: SharedNode, child: Allocation): void {
  shared.follow(child, state.sharing.wishes.get(child));
}

/**
 * Who gives back by itself, or is made to by a person, wishes no more than it keeps; who is asked for what is above its share wishes as before.
 * What goes through a child that is kept here, on its way further up, says nothing of its wish.
 */
function changeWish({ sharing }: BudgetState, node: Allocation, event: BudgetEvent): void {
  const wish = sharing.wishes.get(node);
  if (!wish) return;
  const most = (limit: Amounts) => {
    const max = leastAmounts(wish.max, limit);
    sharing.wishes.set(node, { min: leastAmounts(wish.min, max), max });
  };
  if (event.type === "limit_raised")
    sharing.wishes.set(node, { min: wish.min, max: mostAmounts(wish.max, limitOf(node)) });
  if (event.type === "limits_updated" && changesAmounts(event)) most(amountsOf({ ...wish.max, ...event.after }));
  if (event.type !== "limit_lowered") return;
  const { preemptionId } = event;
  const isOwn = preemptionId === undefined ? node.side === "delegated" : !isShareAsk(preemptionId);
  if (isOwn) most(limitOf(node));
}

/** A person who moves a deadline or sets a strategy says nothing of how much is wished. */
function changesAmounts({ before, after }: LimitsUpdated): boolean {
  return before.credits !== after.credits || before.toolCalls !== after.toolCalls;
}

function limitOf({ books: { credits, toolCalls } }: Allocation): Amounts {
  return amountsOf({ credits: credits.limit, toolCalls: toolCalls.limit });
}

/** Nodes whose strategy may be another one now are counted anew when they are next asked. */
function leaveUnder({ sharing }: BudgetState, top: Allocation): void {
  for (const shared of [...sharing.nodes.keys()]) if (isUnder(shared, top)) sharing.nodes.delete(shared);
}

/** A request begins to wait at the node, or ends to; its queue is as it is then. */
export function followWaiter(state: BudgetState, node: Allocation, waiter: Waiter, waits: boolean): void {
  const shared = nodeIn(state.sharing.nodes, node);
  if (shared) followWaiterAt(state, shared, waiter, waits);
  const tried = nodeIn(state.shadows.shared, node);
  if (tried) followWaiterAt(state, tried, waiter, waits);
}

function followWaiterAt(state: BudgetState, shared: SharedNode, waiter: Waiter, waits: boolean): void {
  const { request } = waiter;
  const child = request.type === "raise" ? state.allocations.get(request.allocationId) : undefined;
  if (child) follow(state, shared, child);
  else if (waits) shared.addWaiter(waiter);
  else shared.removeWaiter(waiter);
}

/** What a child wishes when it is raised by a request. */
export function raisedWish({ sharing }: BudgetState, child: Allocation, demand: Demand): ShareWish {
  const more = wishOf(demand);
  const limit = limitOf(child);
  const wish = sharing.wishes.get(child) ?? { min: NOTHING, max: limit };
  const max = mostAmounts(wish.max, addAmounts(limit, more.max));
  return { min: leastAmounts(addAmounts(wish.min, more.min), max), max };
}

/** Of a demand what can be divided. */
export function wishOf({ min, wanted }: Demand): ShareWish {
  return {
    min: amountsOf({ credits: min.credits, toolCalls: min.toolCalls }),
    max: amountsOf({ credits: wanted.credits, toolCalls: wanted.toolCalls }),
  };
}
