/**
 * The arithmetic of the books. Every function leaves I1 true at every node it touches:
 *   I1  limit + debt = available + reserved + unconfirmed + granted + inDoubt + spent
 *   I2  no term is negative; available · debt = 0
 *   I3  granted = Σ over open children of max(limit, usage), or of usage alone where the lease ended, the rest standing in inDoubt
 * What a child takes more goes up as the difference of its share before and after, at each level.
 */
import { InvariantError } from "#std";
import { type Amount, add, least, monus, most, subtract, ZERO } from "./amount.ts";
import { type Book, bookOf, ownBook } from "./ledger.ts";
import type { Consumable } from "./resource.ts";
import type { Allocation } from "./state.ts";
import { cutMarks, partsDrawn, sightIn } from "./tranche-draw.ts";
import { BY_PRIORITY, type Drawer, EVERYTHING, GENERAL, NO_TRANCHES, type Sight } from "./tranches.ts";

/** Throws when I1 or I2 is broken at this book. */
export function assertBook(node: Allocation, resource: Consumable): void {
  const b = bookOf(node, resource);
  const left = b.limit + b.debt;
  const right = b.available + b.reserved + b.unconfirmed + b.granted + b.inDoubt + b.spent;
  if (left !== right || (b.available !== 0 && b.debt !== 0)) throw broken(node, resource, b);
}

function broken(node: Allocation, resource: Consumable, book: Readonly<Book>): InvariantError {
  return new InvariantError(`I1/I2 broken at ${node.path} ${resource}: ${JSON.stringify(book)}`);
}

/** The part of a child that stands in its parent's `granted`. */
export function grantedShare(child: Allocation, resource: Consumable): Amount {
  const book = bookOf(child, resource);
  return child.doubtful ? book.usage : most(book.limit, book.usage);
}

/** The part of a child that stands in its parent's `inDoubt`. */
export function doubtShare(child: Allocation, resource: Consumable): Amount {
  const book = bookOf(child, resource);
  return child.doubtful ? monus(book.limit, book.usage) : ZERO;
}

/** What a child takes up in its parent's books. */
export interface Share {
  readonly granted: Amount;
  readonly doubt: Amount;
}

export function shareOf(child: Allocation, resource: Consumable): Share {
  return { granted: grantedShare(child, resource), doubt: doubtShare(child, resource) };
}

/**
 * To be called when a node's limit, usage or doubt has changed: moves the difference of its share through the parent's books. `draws`: it is
 * given more, by what its priority may draw; else what it takes more it has used already.
 */
export function shareChanged(node: Allocation, resource: Consumable, { granted, doubt }: Share, draws = false): void {
  const { parent } = node;
  if (!parent || node.state === "closed") return;
  const grantedNow = grantedShare(node, resource);
  const doubtNow = doubtShare(node, resource);
  if (granted === grantedNow && doubt === doubtNow) return;
  const book = ownBook(parent, resource);
  book.granted = add(subtract(book.granted, granted), grantedNow);
  book.inDoubt = add(subtract(book.inDoubt, doubt), doubtNow);
  const before = add(granted, doubt);
  const now = add(grantedNow, doubtNow);
  if (now > before) takeOrOwe(parent, resource, subtract(now, before), node, draws ? sightIn(parent, node) : GENERAL);
  else if (now < before) give(parent, resource, subtract(before, now), node);
  assertBook(parent, resource);
}

/**
 * Takes `x` out of what is free; what is not there becomes debt (or, where nothing limits, a higher limit). `drawer`: the child or the call
 * that may give it back; `sight`: which tranches it may draw.
 */
export function takeOrOwe(
  node: Allocation,
  resource: Consumable,
  x: Amount,
  drawer?: Drawer,
  sight: Sight = GENERAL,
): void {
  if (x === 0) return;
  const book = ownBook(node, resource);
  const free = least(book.available, x);
  const carves = node.tranches !== NO_TRANCHES && resource === "credits";
  if (carves) node.tranches.take(partsDrawn(node, free, sight), drawer);
  book.available = subtract(book.available, free);
  // Only an overrun can take what is set aside.
  if (carves) cutMarks(node);
  else if (node.waiters.earmarks.total[resource] > book.available) node.waiters.earmarks.cut(resource, book.available);
  const rest = subtract(x, free);
  if (rest === 0) return;
  if (book.elastic) moveLimit(node, resource, add(book.limit, rest));
  else book.debt = add(book.debt, rest);
}

/**
 * Frees `x`: pays debt first, then becomes available (or, where nothing limits, lowers the limit). `drawer`: the child or the call that gives
 * it back, and refills what it drew of tranches.
 */
export function give(node: Allocation, resource: Consumable, x: Amount, drawer?: Drawer): void {
  if (x === 0) return;
  const book = ownBook(node, resource);
  const paid = least(book.debt, x);
  if (drawer && node.tranches !== NO_TRANCHES && resource === "credits") node.tranches.refill(drawer, x, paid);
  book.debt = subtract(book.debt, paid);
  const rest = subtract(x, paid);
  if (rest === 0) return;
  if (book.elastic) moveLimit(node, resource, subtract(book.limit, rest));
  else book.available = add(book.available, rest);
}

function moveLimit(node: Allocation, resource: Consumable, limit: Amount): void {
  const share = shareOf(node, resource);
  ownBook(node, resource).limit = limit;
  shareChanged(node, resource, share, true);
}

/** The limit grows by `x`; it is taken from the parent, and pays debt before it is free. */
export function raiseLimit(node: Allocation, resource: Consumable, x: Amount): void {
  if (x === 0) return;
  moveLimit(node, resource, add(bookOf(node, resource).limit, x));
  give(node, resource, x);
  assertBook(node, resource);
}

/** The limit shrinks by `x` and goes to the parent. What is not free any more (a report overtook it) becomes debt. */
export function lowerLimit(node: Allocation, resource: Consumable, x: Amount): void {
  if (x === 0) return;
  if (node.tranches !== NO_TRANCHES && resource === "credits") leaveTranches(node, x);
  takeOrOwe(node, resource, x);
  moveLimit(node, resource, subtract(bookOf(node, resource).limit, x));
  assertBook(node, resource);
}

/** What goes up to the parent is general first; what of a tranche goes is carved no longer. The wrap-up reserve stays as long as it can. */
function leaveTranches(node: Allocation, x: Amount): void {
  const sight = node.state === "open" ? BY_PRIORITY : EVERYTHING;
  node.tranches.leave(partsDrawn(node, least(x, bookOf(node, "credits").available), sight));
}

/** Usage of this node grew by `x`; its ancestors' with it. */
export function addUsage(node: Allocation, resource: Consumable, x: Amount): void {
  if (x === 0) return;
  for (let at: Allocation | undefined = node; at; at = at.parent) {
    const share = shareOf(at, resource);
    const book = ownBook(at, resource);
    book.usage = add(book.usage, x);
    shareChanged(at, resource, share);
    noteChange(at);
  }
}

/** There is something new to report about the node. A delegated node's sequence is its holder's. */
export function noteChange(node: Allocation): void {
  if (node.side !== "delegated") node.usageSequence += 1;
}

/** Cost beyond the holds; shown at every level. */
export function addOverrun(node: Allocation, resource: Consumable, x: Amount): void {
  if (x === 0) return;
  for (let at: Allocation | undefined = node; at; at = at.parent) {
    const book = ownBook(at, resource);
    book.overrun = add(book.overrun, x);
  }
}
