/**
 * How names are taken and given back, and how those who wait for them come to their turn. Who waits for a name that it cannot have now is
 * *shut out*: it keeps its place at its node, and claims nothing there of what others could use meanwhile.
 */
import { assert } from "#std";
import type { Access } from "./access.ts";
import { placeIn } from "./access-order.ts";
import { followQueueAsTried } from "./shadow-queue.ts";
import { followWaiter } from "./sharing.ts";
import type { Allocation, BudgetState, Waiter } from "./state.ts";
import { orderAt } from "./strategies/index.ts";
import { NO_QUEUE } from "./wait-queue.ts";

/** The names that a waiter wants; undefined: none. */
export function wantedBy({ request }: Pick<Waiter, "request">): readonly Access[] | undefined {
  return request.type === "open" && request.access?.length ? request.access : undefined;
}

/** An allocation has been opened with names. */
export function namesTaken(state: BudgetState, node: Allocation, access: readonly Access[]): void {
  turn(state, state.names.hold(node, access));
}

/** To be called when an allocation has been closed. */
export function namesFreed(state: BudgetState, node: Allocation): void {
  if (state.names.size > 0) turn(state, state.names.release(node));
}

/** To be called when it has taken its place at the node, shut out. */
export function namesAwaited(state: BudgetState, node: Allocation, waiter: Waiter): void {
  const access = wantedBy(waiter);
  if (!access) return;
  const order = node.waiters === NO_QUEUE ? orderAt(node) : node.waiters.order;
  turn(state, state.names.join(node, waiter, { access, place: placeIn(order, waiter) }), waiter);
}

/** To be called when it waits no longer. */
export function namesGivenUp(state: BudgetState, waiter: Waiter): void {
  if (!wantedBy(waiter)) return;
  state.names.turned.delete(waiter);
  turn(state, state.names.leave(waiter));
}

/** To be called when the order in which requests wait at some nodes is another one: they may have their turn at other times. */
export function namesReordered(state: BudgetState): void {
  const waiting = [...state.names.waiters()].sort((a, b) => a.sequence - b.sequence);
  const turned = new Set<Waiter>();
  const note = (waiters: readonly Waiter[]) => {
    for (const waiter of waiters) turned.add(waiter);
  };
  for (const waiter of waiting) note(state.names.leave(waiter));
  for (const waiter of waiting) {
    const node = nodeOf(state, waiter);
    const access = wantedBy(waiter);
    if (access) note(state.names.join(node, waiter, { access, place: placeIn(node.waiters.order, waiter) }));
  }
  turn(state, [...waiting, ...turned]);
}

/** Takes over at their nodes who is shut out and who is not any more. `own`: the one whose coming is just being told. */
function turn(state: BudgetState, waiters: readonly Waiter[], own?: Waiter): void {
  for (const waiter of waiters) {
    const shut = !state.names.isOpen(waiter);
    if (waiter.shut === shut) continue;
    const node = nodeOf(state, waiter);
    followQueueAsTried(state, node, waiter, false);
    if (shut) followWaiter(state, node, waiter, false);
    node.waiters.setShut(waiter, shut);
    if (!shut) followWaiter(state, node, waiter, true);
    followQueueAsTried(state, node, waiter, true);
    if (waiter !== own) state.names.turned.add(waiter);
  }
}

function nodeOf({ allocations }: BudgetState, { parentId, effectKey }: Waiter): Allocation {
  const node = allocations.get(parentId);
  assert(node !== undefined, `${effectKey} waits at an allocation that is not known`);
  return node;
}
