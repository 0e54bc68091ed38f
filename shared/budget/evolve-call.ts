/** How calls are held, charged and lapse. */
import { assert, InvariantError, LIMITS } from "#std";
import { type Amount, add, least, monus, subtract, ZERO } from "./amount.ts";
import { addOverrun, addUsage, assertBook, give, takeOrOwe } from "./book.ts";
import { withItem, withoutItem } from "./collections.ts";
import type { HoldCharged, HoldExtended, HoldLapsed, HoldPlaced, LateSettleRecorded } from "./event.ts";
import { freeHeld, takeHeld } from "./held.ts";
import { ownBook } from "./ledger.ts";
import { CONSUMABLES, type Consumable, HELD_RESOURCES } from "./resource.ts";
import { type Allocation, type BudgetState, Hold } from "./state.ts";
import { countCall } from "./tally.ts";
import { sightOfCalls } from "./tranche-draw.ts";
import { NO_TRANCHES } from "./tranches.ts";

/** The hold an event speaks of, the subject if that is the one; it must exist. */
function holdOf(state: BudgetState, holdId: string, subject?: Allocation | Hold): Hold {
  if (subject instanceof Hold && subject.id === holdId) return subject;
  const found = state.holds.get(holdId);
  if (!found) throw new InvariantError(`an event names the unknown hold ${holdId}`);
  return found;
}

export function evolveHoldPlaced(state: BudgetState, event: HoldPlaced, node: Allocation): void {
  const { holdId, what, name, amounts, clamped, expiresAtMs } = event;
  const { key: effectKey, fingerprint } = event.effect;
  const hold = new Hold({ holdId, what, name, amounts, clamped, expiresAtMs, effectKey, fingerprint }, node);
  const known = state.holds.size;
  state.holds.set(hold.id, hold);
  if (state.holds.size === known || state.ended.hasCall(hold.id))
    throw new InvariantError(`hold ${hold.id} placed twice`);
  node.holds = withItem(node.holds, hold);
  node.liveHolds += 1;
  for (const resource of CONSUMABLES) {
    const x = amounts[resource];
    if (x === 0) continue;
    takeOrOwe(node, resource, x, hold, sightOfCalls(node));
    const book = ownBook(node, resource);
    book.reserved = add(book.reserved, x);
    assertBook(node, resource);
  }
  for (const resource of HELD_RESOURCES) takeHeld(node, resource, amounts[resource]);
  state.due.holds.add(hold, hold.expiresAtMs);
  state.effects.set(effectKey, hold);
}

export function evolveHoldExtended(state: BudgetState, event: HoldExtended, subject?: Allocation | Hold): void {
  const hold = holdOf(state, event.holdId, subject);
  state.due.holds.remove(hold, hold.expiresAtMs);
  hold.expiresAtMs = event.expiresAtMs;
  state.due.holds.add(hold, hold.expiresAtMs);
}

/** What of the hold is still set aside for the resource. */
function uncharged(hold: Hold, resource: Consumable): Amount {
  return hold.state === "ended" ? ZERO : monus(hold.amounts[resource], hold.charged[resource]);
}

export function evolveHoldCharged(state: BudgetState, event: HoldCharged, subject?: Allocation | Hold): void {
  const hold = holdOf(state, event.holdId, subject);
  if (hold.state === "ended") throw new InvariantError(`hold ${hold.id} has ended, it cannot be charged`);
  for (const resource of CONSUMABLES) {
    charge(hold, resource, event[resource]);
    if (event.final) freeUncharged(hold, resource);
    assertBook(hold.allocation, resource);
  }
  if (!event.final) return;
  // What is set aside for calls that a power cut hides is none.
  if (hold.name !== "") countCall(hold.allocation, hold.name, event);
  endHold(state, hold);
}

/** Where the hold's amount stands in the books: set aside, or unconfirmed once it has lapsed. */
function bucketOf(hold: Hold): "reserved" | "unconfirmed" {
  return hold.state === "lapsed" ? "unconfirmed" : "reserved";
}

function charge(hold: Hold, resource: Consumable, cumulative: Amount): void {
  const node = hold.allocation;
  const cost = subtract(cumulative, hold.charged[resource]);
  if (cost === 0) return;
  const book = ownBook(node, resource);
  const covered = least(cost, uncharged(hold, resource));
  const bucket = bucketOf(hold);
  book[bucket] = subtract(book[bucket], covered);
  const beyond = subtract(cost, covered);
  takeOrOwe(node, resource, beyond);
  book.spent = add(book.spent, cost);
  const { credits, toolCalls } = hold.charged;
  hold.charged = resource === "credits" ? { credits: cumulative, toolCalls } : { credits, toolCalls: cumulative };
  addOverrun(node, resource, beyond);
  addUsage(node, resource, cost);
}

function freeUncharged(hold: Hold, resource: Consumable): void {
  const rest = uncharged(hold, resource);
  if (rest === 0) return;
  const book = ownBook(hold.allocation, resource);
  const bucket = bucketOf(hold);
  book[bucket] = subtract(book[bucket], rest);
  give(hold.allocation, resource, rest, hold);
}

function freeHeldOf(hold: Hold): void {
  for (const resource of HELD_RESOURCES) freeHeld(hold.allocation, resource, hold.amounts[resource]);
}

/** The hold is over; what a repeated request and a late settle need of it is remembered ten minutes more. */
export function endHold(state: BudgetState, hold: Hold): void {
  if (hold.state === "live") {
    freeHeldOf(hold);
    hold.allocation.liveHolds -= 1;
    state.due.holds.remove(hold, hold.expiresAtMs);
  }
  hold.state = "ended";
  if (hold.allocation.tranches !== NO_TRANCHES) hold.allocation.tranches.forget(hold);
  hold.allocation.holds = withoutItem(hold.allocation.holds, hold);
  const forgetAtMs = state.engineTimeMs + LIMITS.effectMemoryMs;
  state.holds.delete(hold.id);
  state.effects.delete(hold.effectKey);
  state.ended.addCall(hold, forgetAtMs);
}

export function evolveHoldLapsed(state: BudgetState, event: HoldLapsed, subject?: Allocation | Hold): void {
  const hold = holdOf(state, event.holdId, subject);
  assert(hold.state === "live", `hold ${hold.id} is ${hold.state}, it cannot lapse`);
  for (const resource of CONSUMABLES) {
    const rest = uncharged(hold, resource);
    if (rest === 0) continue;
    const book = ownBook(hold.allocation, resource);
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
  const call = state.ended.call(holdId);
  if (!call) throw new InvariantError(`an event names ${holdId}, which is no call that has ended`);
  const node = state.allocations.get(call.allocationId);
  assert(node === undefined || node.state === "closed", `hold ${holdId} can still be charged at ${call.allocationId}`);
  state.ended.recharge(call, { credits, toolCalls });
}
