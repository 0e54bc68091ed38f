/** A1: the books of a node as they must be by the auditor's ledger, beside what the daemon's own state says. */
import { Violation } from "../world/violation.ts";
import { HELD, type HeldKind, type Node, SPENDABLE, type Spendable, usageOf } from "./ledger.ts";

/** A daemon's node, as plain numbers. */
export interface StatedNode {
  readonly state: string;
  readonly deadlineAtMs: number | undefined;
  readonly books: { readonly [R in Spendable]: StatedBook };
  readonly held: {
    readonly [R in HeldKind]: { readonly limit: number; readonly inUse: number; readonly peak: number };
  };
}

export interface StatedBook {
  readonly limit: number;
  readonly debt: number;
  readonly available: number;
  readonly reserved: number;
  readonly unconfirmed: number;
  readonly granted: number;
  readonly inDoubt: number;
  readonly spent: number;
  readonly usage: number;
  readonly overrun: number;
}

type Terms = { -readonly [T in keyof StatedBook]: number };

export function booksOf(node: Node, resource: Spendable): StatedBook {
  const taken = node.side === "delegated" ? delegatedTerms(node, resource) : ownTerms(node, resource);
  const { reserved, unconfirmed, granted, inDoubt, spent } = taken;
  const used = reserved + unconfirmed + granted + inDoubt + spent;
  const limit = node.unlimited[resource] ? used : node.limit[resource];
  const free = limit - used;
  return { ...taken, limit, available: Math.max(0, free), debt: Math.max(0, -free) };
}

function delegatedTerms(node: Node, resource: Spendable): Terms {
  const usage = node.reported[resource];
  return { ...emptyTerms(), spent: usage, usage, overrun: node.overrun[resource] };
}

function ownTerms(node: Node, resource: Spendable): Terms {
  const terms = { ...emptyTerms(), usage: usageOf(node, resource), overrun: node.overrun[resource] };
  terms.spent = node.own[resource];
  for (const call of node.calls) {
    const rest = Math.max(0, call.amounts[resource] - call.charged[resource]);
    terms.spent += call.charged[resource];
    if (call.state === "live") terms.reserved += rest;
    else terms.unconfirmed += rest;
  }
  for (const child of node.children) {
    const used = usageOf(child, resource);
    const limit = booksLimit(child, resource);
    terms.granted += child.inDoubt ? used : Math.max(limit, used);
    if (child.inDoubt) terms.inDoubt += Math.max(0, limit - used);
  }
  return terms;
}

function booksLimit(node: Node, resource: Spendable): number {
  return node.unlimited[resource] ? booksOf(node, resource).limit : node.limit[resource];
}

function emptyTerms(): Terms {
  const own = { limit: 0, debt: 0, available: 0, reserved: 0, unconfirmed: 0 };
  return { ...own, granted: 0, inDoubt: 0, spent: 0, usage: 0, overrun: 0 };
}

/** Throws the violation when what the daemon says differs from what its events mean. */
export function checkNode(owner: string, node: Node, stated: StatedNode): void {
  const about = [node.id, owner];
  const at = `${owner} ${node.path} (${node.id})`;
  for (const resource of SPENDABLE) {
    const book = stated.books[resource];
    checkBalance(`${at} ${resource}`, book, about);
    const must = booksOf(node, resource);
    for (const term of Object.keys(must) as (keyof StatedBook)[]) {
      if (must[term] === book[term]) continue;
      const told = `${term} is ${book[term]}, by the events it must be ${must[term]}`;
      throw new Violation("A1.books", `${at} ${resource}: ${told}`, about);
    }
  }
  for (const kind of HELD) checkHeld(at, { node, kind, stated, about });
}

function checkBalance(at: string, book: StatedBook, about: readonly string[]): void {
  for (const [term, value] of Object.entries(book)) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    if (term !== "elastic") throw new Violation("A1.negative", `${at}: ${term} is ${value}`, about);
  }
  const { limit, debt, available, reserved, unconfirmed, granted, inDoubt, spent } = book;
  if (limit + debt !== available + reserved + unconfirmed + granted + inDoubt + spent || available * debt !== 0) {
    throw new Violation("A1.balance", `${at}: ${JSON.stringify(book)}`, about);
  }
}

interface HeldCheck {
  readonly node: Node;
  readonly kind: HeldKind;
  readonly stated: StatedNode;
  readonly about: readonly string[];
}

function checkHeld(at: string, { node, kind, stated, about }: HeldCheck): void {
  if (node.state === "closed") return;
  const { limit, inUse } = stated.held[kind];
  const must = heldInUse(node, kind);
  if (inUse !== must) throw new Violation("A1.held", `${at} ${kind}: ${inUse} in use, must be ${must}`, about);
  if (node.unlimited[kind]) return;
  if (limit !== node.limit[kind] || inUse > limit) {
    throw new Violation("A1.held", `${at} ${kind}: ${inUse} in use of ${limit}, granted ${node.limit[kind]}`, about);
  }
}

export function heldInUse(node: Node, kind: HeldKind): number {
  let inUse = 0;
  for (const call of node.calls) if (call.state === "live") inUse += call.amounts[kind];
  for (const child of node.children) {
    inUse += child.limit[kind] + (kind === "branches" && child.kind !== "account" ? 1 : 0);
  }
  return inUse;
}
