/**
 * The invariants, checked over a whole state. Tests and debug builds run this after every event; it shares only the state's types with
 * the code it checks.
 *   I1  limit + debt = available + reserved + unconfirmed + granted + inDoubt + spent, per node and consumable
 *   I2  no term is negative or fractional; available · debt = 0; an unlimited book has neither
 *   I3  granted and inDoubt are the sums of the open children's shares; reserved and unconfirmed those of the holds
 *   I4  held: in use = Σ(children's shares + live holds) ≤ limit, peak ≥ in use
 *   I5  a closed node stands empty: nothing reserved, unconfirmed, granted or in doubt, no children, no holds; and nothing available, but
 *       for an account at the top and for a delegated node
 *   I6  only a delegated node can be in doubt or written off; what is written off is spent, and uncorrected
 *   I7  usage = spent + Σ(open children's usage); overrun ≤ usage
 *   I8  a child's deadline is never later than its parent's
 *   I9  limit = granted_total − returned_total, for every limited resource of an open node
 *   I10 every hold, effect and waiter that is indexed stands where the index says; live holds, holders and missing true accounts are
 *       counted; a closed received grant is either acknowledged or not
 *   I11 what is set aside at a node is free there, is for those who claim there, and for none more than it needs at least
 *   I16 no two open allocations under one root hold a name, but both share it or one stands under the other; who is shut out waits for a name
 *   I12 of each tranche: left + Σ make-ups ≤ carve, and all that is left is available; who has a make-up holds that much; what is set aside
 *       is there for its claimant beside what that may not draw; see tranche-invariants.ts
 *   I15 a reservation stands at an open node; no more is set aside for it than nobody has used, and what those that have not begun need at
 *       once is kept free of work of which nobody knows when it ends
 */
import { assert, InvariantError } from "#std";
import { assertNames } from "./invariants-of-names.ts";
import {
  CONSUMABLES,
  type Consumable,
  HELD_RESOURCES,
  type HeldResource,
  RESOURCES,
  type Resource,
} from "./resource.ts";
import type { Allocation, BudgetState, Hold } from "./state.ts";
import { checkTranches } from "./tranche-invariants.ts";

/** Throws InvariantError naming the invariant and the node. */
export function assertInvariants(state: BudgetState): void {
  for (const node of state.allocations.values()) {
    for (const resource of CONSUMABLES) checkBook(node, resource);
    for (const resource of HELD_RESOURCES) checkHeld(node, resource);
    checkNode(state, node);
  }
  for (const hold of state.holds.values()) checkHold(hold);
  checkAccounts(state);
  assertNames(state);
}

/** What is broken, each with the invariant and the node, at most `max`; empty when all is well. For the examination of a journal. */
export function invariantFaults(state: BudgetState, max: number): string[] {
  const faults: string[] = [];
  const attempt = (check: () => void): void => {
    try {
      check();
    } catch (error) {
      if (!(error instanceof InvariantError)) throw error;
      if (faults.length < max) faults.push(error.message);
    }
  };
  for (const node of state.allocations.values()) {
    for (const resource of CONSUMABLES) attempt(() => checkBook(node, resource));
    for (const resource of HELD_RESOURCES) attempt(() => checkHeld(node, resource));
    attempt(() => checkNode(state, node));
  }
  for (const hold of state.holds.values()) attempt(() => checkHold(hold));
  attempt(() => checkAccounts(state));
  attempt(() => assertNames(state));
  return faults;
}

function checkAccounts(state: BudgetState): void {
  assert(state.uncorrected === sum(state.roots, (root) => root.uncorrected), "I10 true accounts that are missing");
  for (const root of [...state.unacknowledged, ...state.acknowledged]) {
    assert(state.roots.has(root) && root.state === "closed" && root.side === "received", `I10 account of ${root.path}`);
  }
}

function sum<T>(items: Iterable<T>, value: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += value(item);
  return total;
}

function checkBook(node: Allocation, resource: Consumable): void {
  const book = node.books[resource];
  const at = `at ${node.path} ${resource}: ${JSON.stringify(book)}`;
  const terms = [
    book.limit,
    book.debt,
    book.available,
    book.reserved,
    book.unconfirmed,
    book.granted,
    book.inDoubt,
    book.spent,
  ];
  for (const term of [...terms, book.usage, book.overrun]) assert(Number.isSafeInteger(term) && term >= 0, `I2 ${at}`);
  assert(book.available === 0 || book.debt === 0, `I2 available and debt ${at}`);
  assert(!book.elastic || (book.available === 0 && book.debt === 0), `I2 unlimited ${at}`);
  const right = book.available + book.reserved + book.unconfirmed + book.granted + book.inDoubt + book.spent;
  assert(book.limit + book.debt === right, `I1 ${at}`);
  const sides = shares(node, resource);
  assert(
    book.granted === sides.granted && book.inDoubt === sides.inDoubt,
    `I3 children ${at} ${JSON.stringify(sides)}`,
  );
  const set = (hold: Hold) => Math.max(0, hold.amounts[resource] - hold.charged[resource]);
  assert(book.reserved === sum(node.holds, (hold) => (hold.state === "live" ? set(hold) : 0)), `I3 reserved ${at}`);
  assert(
    book.unconfirmed === sum(node.holds, (hold) => (hold.state === "lapsed" ? set(hold) : 0)),
    `I3 unconfirmed ${at}`,
  );
  const used = book.spent + sum(node.children, (child) => child.books[resource].usage);
  assert(book.usage === used, `I7 ${at} expected ${used}`);
  assert(book.overrun <= book.usage, `I7 overrun ${at}`);
  if (node.state === "open" && !book.elastic) {
    assert(book.limit === node.grantedTotal[resource] - node.returnedTotal[resource], `I9 ${at}`);
  }
}

function shares(node: Allocation, resource: Consumable): { granted: number; inDoubt: number } {
  let granted = 0;
  let inDoubt = 0;
  for (const child of node.children) {
    const { limit, usage } = child.books[resource];
    granted += child.doubtful ? usage : Math.max(limit, usage);
    inDoubt += child.doubtful ? Math.max(0, limit - usage) : 0;
  }
  return { granted, inDoubt };
}

function checkHeld(node: Allocation, resource: HeldResource): void {
  const book = node.held[resource];
  const at = `at ${node.path} ${resource}: ${JSON.stringify(book)}`;
  const slot = (child: Allocation) => (resource === "branches" && child.kind !== "account" ? 1 : 0);
  const children = sum(node.children, (child) => child.held[resource].limit + slot(child));
  const holds = sum(node.holds, (hold) => (hold.state === "live" ? hold.amounts[resource] : 0));
  assert(book.inUse === children + holds, `I4 in use ${at} expected ${children + holds}`);
  assert(book.elastic || book.inUse <= book.limit, `I4 limit ${at}`);
  assert(book.peak >= book.inUse, `I4 peak ${at}`);
  if (node.state === "open" && !book.elastic) {
    assert(book.limit === node.grantedTotal[resource] - node.returnedTotal[resource], `I9 ${at}`);
  }
}

function checkNode(state: BudgetState, node: Allocation): void {
  const { parent } = node;
  assert(!node.doubtful || node.side === "delegated", `I6 at ${node.path}`);
  checkUncorrected(node);
  if (node.state === "closed") {
    assert(node.children.size === 0 && node.holds.size === 0, `I5 at ${node.path}`);
    const keeps = node.side === "delegated" || (node.side === "local" && !parent);
    for (const { available, reserved, unconfirmed, granted, inDoubt } of Object.values(node.books)) {
      assert(reserved + unconfirmed + granted + inDoubt === 0, `I5 at ${node.path}`);
      assert(available === 0 || keeps, `I5 ${node.path} keeps ${available}`);
    }
    assert(!parent?.children.has(node), `I5 ${node.path} still stands among the open`);
    assert(!state.openRoots.has(node), `I5 ${node.path} still stands among the open roots`);
    const told = Number(state.acknowledged.has(node)) + Number(state.unacknowledged.has(node));
    assert(told === (node.side === "received" ? 1 : 0), `I10 account of ${node.path}`);
    assert(node.uncorrected === 0 || !state.acknowledged.has(node), `I10 account of ${node.path}`);
  } else if (parent) {
    assert(parent.children.has(node) && parent.state !== "closed", `I5 ${node.path} is open below a closed parent`);
    const latest = parent.deadlineAtMs;
    const deadline = node.deadlineAtMs ?? Number.POSITIVE_INFINITY;
    assert(latest === undefined || deadline <= latest, `I8 at ${node.path}`);
  } else assert(state.roots.has(node) && state.openRoots.has(node), `I10 root ${node.path}`);
  assert(
    node.liveHolds === sum(node.holds, (hold) => (hold.state === "live" ? 1 : 0)),
    `I10 live holds at ${node.path}`,
  );
  const held = sum(node.children, (child) => (child.side === "delegated" && child.peer !== undefined ? 1 : 0));
  assert(sum(node.holders.values(), (count) => count) === held, `I10 holders at ${node.path}`);
  checkClaims(state, node);
  checkTranches(node);
  for (const waiter of node.waiters)
    assert(state.effects.get(waiter.effectKey) === waiter, `I10 waiter at ${node.path}`);
}

function checkClaims(state: BudgetState, node: Allocation): void {
  const { claims, earmarks } = node.waiters;
  for (const resource of RESOURCES) {
    const aside = earmarks.total[resource];
    const at = `at ${node.path} ${resource}: ${aside} set aside`;
    assert(earmarks.sumOf(resource) === aside, `I11 ${at}, and the marks are ${earmarks.sumOf(resource)}`);
    const book = isHeld(resource) ? node.held[resource] : node.books[resource];
    const free = "available" in book ? book.available : book.limit - book.inUse;
    assert(aside === 0 || (!book.elastic && aside <= free), `I11 ${at} of ${free} free`);
  }
  for (const { waiter } of claims.values()) {
    const { effectKey: key, demand } = waiter;
    assert(state.effects.get(key) === waiter && waiter.parentId === node.id, `I11 claim ${key} at ${node.path}`);
    const own = earmarks.of(key);
    assert(
      RESOURCES.every((resource) => own[resource] <= demand.min[resource]),
      `I11 more is set aside for ${key} than it needs`,
    );
  }
  checkReservations(state, node);
  for (const [key] of earmarks.entries()) {
    const known = claims.get(key) !== undefined || node.waiters.reservations.has(key.slice(1));
    assert(known, `I11 set aside for nobody: ${key}`);
  }
}

function checkReservations({ reservations: all }: BudgetState, node: Allocation): void {
  const { earmarks, reservations } = node.waiters;
  assert(reservations.size === 0 || node.state === "open", `I15 something is reserved at ${node.path}, which ends`);
  const pending = [...reservations.values()].filter(({ begun }) => !begun);
  for (const one of reservations.values()) {
    const at = `I15 reservation ${one.id} at ${node.path}`;
    assert(all.get(one.id) === one && one.allocationId === node.id && one.endsAtMs > one.startsAtMs, at);
    const aside = earmarks.of(`\n${one.id}`);
    for (const resource of RESOURCES) {
      assert(one.left[resource] <= one.amounts[resource], `${at} has more left than it had`);
      const may = one.begun || !isHeld(resource) ? one.left[resource] : 0;
      assert(aside[resource] <= may, `${at} has ${aside[resource]} of ${may} ${resource} set aside`);
    }
  }
  for (const resource of HELD_RESOURCES) {
    const sums = pending.map(({ startsAtMs }) =>
      sum(pending, (one) => (one.startsAtMs <= startsAtMs && startsAtMs < one.endsAtMs ? one.left[resource] : 0)),
    );
    const most = Math.max(0, ...sums);
    assert(earmarks.ahead[resource] === most, `I15 ${earmarks.ahead[resource]} of ${most} are kept at ${node.path}`);
  }
}

function isHeld(resource: Resource): resource is HeldResource {
  return HELD_RESOURCES.some((held) => held === resource);
}

function checkUncorrected(node: Allocation): void {
  const { standing, credits, toolCalls } = node.writtenOff;
  const at = `at ${node.path}: ${JSON.stringify(node.writtenOff)}, ${node.uncorrected} uncorrected`;
  if (node.side === "delegated") {
    const own = standing === "awaiting" ? 1 : 0;
    assert(node.uncorrected === own || node.uncorrected === own + 1, `I10 ${at}`);
    assert(own === 1 || credits + toolCalls === 0, `I6 ${at}`);
    assert(credits <= node.books.credits.spent && toolCalls <= node.books.toolCalls.spent, `I6 ${at}`);
    return;
  }
  assert(standing === "none", `I6 ${at}`);
  const below = sum([...node.children, ...node.closedChildren], ({ uncorrected }) => uncorrected);
  assert(node.uncorrected === below, `I10 ${at}, ${below} below`);
}

function checkHold(hold: Hold): void {
  const at = `hold ${hold.id} at ${hold.allocation.path}`;
  assert(hold.allocation.holds.has(hold) && hold.state !== "ended", `I10 ${at} is ${hold.state}`);
}
