/** The arithmetic of held resources (I4): in use while held, never more than the limit; the peak is kept. */
import { InvariantError } from "#std";
import { type Amount, add, most, subtract } from "./amount.ts";
import { heldBookOf, ownHeldBook } from "./ledger.ts";
import { type Amounts, HELD_RESOURCES, type HeldResource } from "./resource.ts";
import type { Allocation } from "./state.ts";

export function takeHeld(node: Allocation, resource: HeldResource, x: Amount): void {
  if (x === 0) return;
  const book = ownHeldBook(node, resource);
  book.inUse = add(book.inUse, x);
  book.peak = most(book.peak, book.inUse);
  assertHeld(node, resource);
}

export function freeHeld(node: Allocation, resource: HeldResource, x: Amount): void {
  if (x === 0) return;
  const book = ownHeldBook(node, resource);
  book.inUse = subtract(book.inUse, x);
}

/** Moves what the parent gives to, or gets back from, a node. */
export function changeHeldLimits(node: Allocation, by: Amounts, direction: "up" | "down"): void {
  for (const resource of HELD_RESOURCES) {
    const x = by[resource];
    if (x === 0 || heldBookOf(node, resource).elastic) continue;
    const book = ownHeldBook(node, resource);
    const { parent } = node;
    if (direction === "up") {
      if (parent) takeHeld(parent, resource, x);
      book.limit = add(book.limit, x);
    } else {
      book.limit = subtract(book.limit, x);
      assertHeld(node, resource);
      if (parent) freeHeld(parent, resource, x);
    }
  }
}

function assertHeld(node: Allocation, resource: HeldResource): void {
  const book = heldBookOf(node, resource);
  if (book.elastic || book.inUse <= book.limit) return;
  throw new InvariantError(`I4 broken at ${node.path} ${resource}: ${JSON.stringify(book)}`);
}
