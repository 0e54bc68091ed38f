/**
 * Usage that moves to what it truly is, in either direction, also at nodes that are closed. What a closed child has used stands in its
 * parent's `spent`: there the difference is taken or comes back, paying debt first, and a closed parent hands what is then free on up, as
 * it would have at its close, until an open ancestor or the tier above has it.
 */
import { type Amount, add, monus, subtract, ZERO } from "./amount.ts";
import { assertBook, give, shareChanged, shareOf, takeOrOwe } from "./book.ts";
import { ownBook } from "./ledger.ts";
import { addAmounts, amountsOf, type Consumable } from "./resource.ts";
import type { Allocation } from "./state.ts";
import { NO_TRANCHES } from "./tranches.ts";

interface Move {
  readonly up: Amount;
  readonly down: Amount;
}

/** The usage of a delegated node is now `to`; that of all above it changes by as much. That there is news is for the caller to note. */
export function moveUsage(node: Allocation, resource: Consumable, to: Amount): void {
  const { usage } = node.books[resource];
  const move = { up: monus(to, usage), down: monus(usage, to) };
  if (move.up === 0 && move.down === 0) return;
  charge(node, resource, move);
  for (let at: Allocation | undefined = node; at; at = at.parent) {
    const share = shareOf(at, resource);
    const book = ownBook(at, resource);
    book.usage = moved(book.usage, move);
    if (at.state !== "closed") shareChanged(at, resource, share);
    else if (at.parent) charge(at.parent, resource, move, at);
  }
}

function moved(x: Amount, { up, down }: Move): Amount {
  return subtract(add(x, up), down);
}

/** `child`: the closed child whose usage it is. */
function charge(node: Allocation, resource: Consumable, move: Move, child?: Allocation): void {
  const book = ownBook(node, resource);
  takeOrOwe(node, resource, move.up, child);
  book.spent = moved(book.spent, move);
  give(node, resource, move.down, child);
  if (node.state === "closed") passOn(node, resource);
  assertBook(node, resource);
}

/** A closed node keeps nothing that is free, but for an account at the top, and a delegated one, whose rest stands for what came back. */
function passOn(node: Allocation, resource: Consumable): void {
  if (node.side === "delegated" || (node.side === "local" && !node.parent)) return;
  const book = ownBook(node, resource);
  const rest = book.available;
  if (rest === 0) return;
  if (resource === "credits" && node.tranches !== NO_TRANCHES) node.tranches.leave(node.tranches.left);
  book.available = ZERO;
  book.limit = subtract(book.limit, rest);
  node.returnedTotal = addAmounts(node.returnedTotal, amountsOf({ [resource]: rest }));
}
