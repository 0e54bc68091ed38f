/** How calls are held, charged and lapse. */
import { assert, LIMITS } from "#std";
import { type Amount, add, least, monus, subtract, ZERO } from "./amount.ts";
import { addOverrun, addUsage, assertBook, give, takeOrOwe } from "./book.ts";
import { withItem, withoutItem } from "./collections.ts";
import type { HoldCharged, HoldExtended, HoldLapsed, HoldPlaced, LateSettleRecorded } from "./event.ts";
import { freeHeld, takeHeld } from "./held.ts";
import { CONSUMABLES, type Consumable, HELD_RESOURCES } from "./resource.ts";
import { type Allocation, type BudgetState, createHold, type Hold } from "./state.ts";
import { countCall } from "./tally.ts";

/** The hold an event speaks of; it must exist. */
export function holdOf(state: BudgetState, holdId: string): Hold {
  const found = state.holds.get(holdId);
  assert(found !== undefined, `an event names the unknown hold ${holdId}`);
  return found;
}

export function evolveHoldPlaced(state: BudgetState, event: HoldPlaced, node: Allocation): void {
  const hold = createHold(event, node);
  const known = state.holds.size;
  state.holds.set(hold.id, hold);
  assert(state.holds.size > known, `hold ${hold.id} placed twice`);
  node.holds = withItem(node.holds, hold);
  node.liveHolds += 1;
  for (const resource of CONSUMABLES) {
    const x = event.amounts[resource];
    if (x === 0) continue;
    takeOrOwe(node, resource, x);
    node.books[resource].reserved = add(node.books[resource].reserved, x);
    assertBook(node, resource);
  }
  for (const resource of HELD_RESOURCES)
    if (event.amounts[resource] > 0) takeHeld(node, resource, event.amounts[resource]);
  state.due.holds.add(hold, hold.expiresAtMs);
  const { key, fingerprint } = event.effect;
  const { id: holdId, amounts: granted, clamped, expiresAtMs } = hold;
  const answer = { type: "held", holdId, granted, clamped, expiresAtMs, repeated: false } as const;
  state.effects.set(key, { fingerprint, answer });
}

export function evolveHoldExtended(state: BudgetState, event: HoldExtended): void {
  const hold = holdOf(state, event.holdId);
  state.due.holds.remove(hold, hold.expiresAtMs);
  hold.expiresAtMs = event.expiresAtMs;
  state.due.holds.add(hold, hold.expiresAtMs);
}

/** What of the hold is still set aside for the resource. */
export function uncharged(hold: Hold, resource: Consumable): Amount {
  return hold.state === "ended" ? ZERO : monus(hold.amounts[resource], hold.charged[resource]);
}

export function evolveHoldCharged(state: BudgetState, event: HoldCharged): void {
  const hold = holdOf(state, event.holdId);
  assert(hold.state !== "ended", `hold ${hold.id} has ended, it cannot be charged`);
  for (const resource of CONSUMABLES) {
    charge(hold, resource, event[resource]);
    if (event.final) freeUncharged(hold, resource);
    assertBook(hold.allocation, resource);
  }
  if (!event.final) return;
  countCall(hold.allocation, hold.name, event);
  endHold(state, hold);
}

/** Where the hold's amount stands in the books: set aside, or unconfirmed once it has lapsed. */
function bucketOf(hold: Hold): "reserved" | "unconfirmed" {
  return hold.state === "lapsed" ? "unconfirmed" : "reserved";
}

function charge(hold: Hold, resource: Consumable, cumulative: Amount): void {
  const node = hold.allocation;
  const book = node.books[resource];
  const cost = subtract(cumulative, hold.charged[resource]);
  if (cost === 0) return;
  const covered = least(cost, uncharged(hold, resource));
  const bucket = bucketOf(hold);
  book[bucket] = subtract(book[bucket], covered);
  const beyond = subtract(cost, covered);
  takeOrOwe(node, resource, beyond);
  book.spent = add(book.spent, cost);
  hold.charged[resource] = cumulative;
  addOverrun(node, resource, beyond);
  addUsage(node, resource, cost);
}

function freeUncharged(hold: Hold, resource: Consumable): void {
  const rest = uncharged(hold, resource);
  if (rest === 0) return;
  const book = hold.allocation.books[resource];
  const bucket = bucketOf(hold);
  book[bucket] = subtract(book[bucket], rest);
  give(hold.allocation, resource, rest);
}

function freeHeldOf(hold: Hold): void {
  for (const resource of HELD_RESOURCES) {
    if (hold.amounts[resource] > 0) freeHeld(hold.allocation, resource, hold.amounts[resource]);
  }
}

/** The hold is over; its answer is remembered ten minutes more. */
export function endHold(state: BudgetState, hold: Hold): void {
  if (hold.state === "live") {
    freeHeldOf(hold);
    hold.allocation.liveHolds -= 1;
    state.due.holds.remove(hold, hold.expiresAtMs);
  }
  hold.state = "ended";
  hold.allocation.holds = withoutItem(hold.allocation.holds, hold);
  const forgetAtMs = state.engineTimeMs + LIMITS.effectMemoryMs;
  state.ended.push({ id: hold.id, effectKeys: [hold.effectKey], forgetAtMs });
}

export function evolveHoldLapsed(state: BudgetState, event: HoldLapsed): void {
  const hold = holdOf(state, event.holdId);
  assert(hold.state === "live", `hold ${hold.id} is ${hold.state}, it cannot lapse`);
  for (const resource of CONSUMABLES) {
    const rest = uncharged(hold, resource);
    const book = hold.allocation.books[resource];
    book.reserved = subtract(book.reserved, rest);
    book.unconfirmed = add(book.unconfirmed, rest);
    assertBook(hold.allocation, resource);
  }
  freeHeldOf(hold);
  hold.allocation.liveHolds -= 1;
  state.due.holds.remove(hold, hold.expiresAtMs);
  hold.state = "lapsed";
}

/** The books are closed over it; only the call itself knows what it cost, so that the same settle again is nothing new. */
export function evolveLateSettleRecorded(state: BudgetState, { holdId, credits, toolCalls }: LateSettleRecorded): void {
  const hold = holdOf(state, holdId);
  assert(hold.allocation.state === "closed", `hold ${holdId} can still be charged at ${hold.allocation.path}`);
  hold.charged = { credits, toolCalls };
}
