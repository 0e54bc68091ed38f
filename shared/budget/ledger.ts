/**
 * The books of a node: one per consumable and per held resource. Most nodes never have anything of most resources; these share a blank
 * book, which cannot be written to, until something is to be written: whoever writes takes the node's own book first.
 * The fields are declared without a value, so that V8 does not settle on numbers of one kind: were a field known to hold large numbers
 * somewhere, such as in an account, each of its zeros in a million other books would be a box of 16 bytes.
 */
import { type Amount, ZERO } from "./amount.ts";
import type { Consumable, HeldResource, Limits } from "./resource.ts";

/**
 * The books of one consumable: limit + debt = available + reserved + unconfirmed + granted + inDoubt + spent (I1).
 * For a node granted to another daemon, `available` and `spent` stand for what that daemon has not and has reported as used.
 */
export class Book {
  /** Not limited: `limit` follows what is used and `available` stays zero. */
  readonly elastic: boolean;
  limit: Amount;
  debt: Amount;
  available: Amount;
  reserved: Amount;
  unconfirmed: Amount;
  granted: Amount;
  inDoubt: Amount;
  spent: Amount;
  /** Cost beyond the holds, ever; part of `spent`. */
  overrun: Amount;
  /** What this subtree is known to have used: `spent` plus the usage of open children. */
  usage: Amount;

  constructor(elastic: boolean) {
    this.elastic = elastic;
    this.limit = ZERO;
    this.debt = ZERO;
    this.available = ZERO;
    this.reserved = ZERO;
    this.unconfirmed = ZERO;
    this.granted = ZERO;
    this.inDoubt = ZERO;
    this.spent = ZERO;
    this.overrun = ZERO;
    this.usage = ZERO;
  }
}

/** A held resource: Σ(open children's share + calls' holds) ≤ limit (I4). */
export class HeldBook {
  readonly elastic: boolean;
  limit: Amount;
  inUse: Amount;
  peak: Amount;

  constructor(elastic: boolean) {
    this.elastic = elastic;
    this.limit = ZERO;
    this.inUse = ZERO;
    this.peak = ZERO;
  }
}

/** A node's books, to be read; ownBook and ownHeldBook give them to write. */
export type Books = { [C in Consumable]: Readonly<Book> };
export type HeldBooks = { readonly [H in HeldResource]: Readonly<HeldBook> };

const BLANK: Readonly<Book> = Object.freeze(new Book(false));
const BLANK_ELASTIC: Readonly<Book> = Object.freeze(new Book(true));
const HELD_BLANK: Readonly<HeldBook> = Object.freeze(new HeldBook(false));
const HELD_BLANK_ELASTIC: Readonly<HeldBook> = Object.freeze(new HeldBook(true));

function blankBook(limit: Amount | undefined): Readonly<Book> {
  return limit === undefined ? BLANK_ELASTIC : BLANK;
}

/** Empty books under these limits; they are raised to the limits through the books of the parent. */
export function blankBooks({ credits, toolCalls }: Limits): Books {
  return { credits: blankBook(credits), toolCalls: blankBook(toolCalls) };
}

function openHeldBook(limit: Amount | undefined): Readonly<HeldBook> {
  if (limit === undefined) return HELD_BLANK_ELASTIC;
  if (limit === 0) return HELD_BLANK;
  const book = new HeldBook(false);
  book.limit = limit;
  return book;
}

/** Most leaves are limited to no slots and no bytes, or to no slots alone. */
const NO_SLOTS_NO_BYTES: HeldBooks = Object.freeze({ branches: HELD_BLANK, memoryBytes: HELD_BLANK });
const NO_SLOTS: HeldBooks = Object.freeze({ branches: HELD_BLANK, memoryBytes: HELD_BLANK_ELASTIC });

/** Books of held resources with these limits. */
export function openHeldBooks({ branches, memoryBytes }: Limits): HeldBooks {
  if (branches === 0 && memoryBytes === 0) return NO_SLOTS_NO_BYTES;
  if (branches === 0 && memoryBytes === undefined) return NO_SLOTS;
  return { branches: openHeldBook(branches), memoryBytes: openHeldBook(memoryBytes) };
}

/** The book of the owner, to be read. Named fields: a computed key that differs from call to call costs V8 a search for each. */
export function bookOf({ books }: { readonly books: Books }, resource: Consumable): Readonly<Book> {
  return resource === "credits" ? books.credits : books.toolCalls;
}

/** The held book of the owner, to be read. */
export function heldBookOf({ held }: { readonly held: HeldBooks }, resource: HeldResource): Readonly<HeldBook> {
  return resource === "branches" ? held.branches : held.memoryBytes;
}

/** The book of the owner, to be written to. */
export function ownBook(owner: { readonly books: Books }, resource: Consumable): Book {
  const book = bookOf(owner, resource);
  if (book !== BLANK && book !== BLANK_ELASTIC) return book as Book;
  const own = new Book(book.elastic);
  owner.books[resource] = own;
  return own;
}

/** The held book of the owner, to be written to. */
export function ownHeldBook(owner: { held: HeldBooks }, resource: HeldResource): HeldBook {
  const book = heldBookOf(owner, resource);
  if (book !== HELD_BLANK && book !== HELD_BLANK_ELASTIC) return book as HeldBook;
  const own = new HeldBook(book.elastic);
  const { branches, memoryBytes } = owner.held;
  owner.held = resource === "branches" ? { branches: own, memoryBytes } : { branches, memoryBytes: own };
  return own;
}
