/** How usage reported by a holder is booked, what a person writes off, and what a true account that comes late corrects. */
import { assert } from "#std";
import { add, monus, most } from "./amount.ts";
import { addOverrun, addUsage, assertBook, noteChange, takeOrOwe } from "./book.ts";
import { withText } from "./collections.ts";
import { moveUsage } from "./correction.ts";
import type { AccountCorrected, UsageReported, WrittenOff } from "./event.ts";
import { ownBook, ownHeldBook } from "./ledger.ts";
import { CONSUMABLES, NOTHING } from "./resource.ts";
import { changeUncorrected } from "./retention.ts";
import type { Allocation, BudgetState, WriteOff } from "./state.ts";
import { reportTally } from "./tally.ts";

const CORRECTED: WriteOff = Object.freeze({
  credits: NOTHING.credits,
  toolCalls: NOTHING.toolCalls,
  standing: "corrected",
});

/** Books a report at the delegated node and up its ancestors here: its growth, or after a correction its difference. */
export function evolveUsageReported(state: BudgetState, event: UsageReported, node: Allocation): void {
  const isLater = event.corrections > node.corrections;
  for (const resource of CONSUMABLES) {
    moveUsage(node, resource, isLater ? event[resource] : most(event[resource], node.books[resource].usage));
  }
  const provisional = event.provisional || (!isLater && node.uncorrected > 0);
  takeOver(state, { event, node, provisional, corrections: event.corrections - node.corrections });
}

/** The node is closed: what it used stands in its parent's `spent`, and in that of all above it which are closed, too. */
export function evolveAccountCorrected(state: BudgetState, event: AccountCorrected, node: Allocation): void {
  assert(
    node.state === "closed" && node.side === "delegated",
    `${node.path} is ${node.state}, it can still be reported`,
  );
  for (const resource of CONSUMABLES) moveUsage(node, resource, event[resource]);
  const own = node.writtenOff.standing === "awaiting" ? 1 : 0;
  const { provisional } = event;
  if (own > 0) {
    node.writtenOff = CORRECTED;
    changeUncorrected(state, node, -own);
  }
  takeOver(state, { event, node, provisional, corrections: event.corrections - node.corrections + own });
}

interface Account {
  readonly event: UsageReported | AccountCorrected;
  readonly node: Allocation;
  readonly provisional: boolean;
  /** How many more corrections there are in what stands above the node. */
  readonly corrections: number;
}

/** Everything of an account but the credits and tool calls themselves. */
function takeOver(state: BudgetState, { event, node, provisional, corrections }: Account): void {
  node.usageSequence = Math.max(node.usageSequence, event.sequence);
  addOverrun(node, "credits", monus(event.overrunCredits, node.books.credits.overrun));
  addOverrun(node, "toolCalls", monus(event.overrunToolCalls, node.books.toolCalls.overrun));
  if (event.branchesPeak > node.held.branches.peak) ownHeldBook(node, "branches").peak = event.branchesPeak;
  reportTally(node, event);
  node.corrections = Math.max(node.corrections, event.corrections);
  if (corrections > 0) for (let at = node.parent; at; at = at.parent) at.corrections += corrections;
  const awaited = node.writtenOff.standing === "awaiting" ? 1 : 0;
  changeUncorrected(state, node, awaited + (provisional ? 1 : 0) - node.uncorrected);
}

/** What was in doubt counts as spent, and the epoch under which it was held is over. */
export function evolveWrittenOff(state: BudgetState, event: WrittenOff, node: Allocation): void {
  assert(node.doubtful && node.state !== "closed", `${node.path} is not in doubt, it cannot be written off`);
  const { credits, toolCalls } = event;
  for (const resource of CONSUMABLES) {
    if (event[resource] === 0) continue;
    const book = ownBook(node, resource);
    takeOrOwe(node, resource, event[resource]);
    book.spent = add(book.spent, event[resource]);
    addUsage(node, resource, event[resource]);
    assertBook(node, resource);
  }
  node.epoch = event.epoch;
  node.writtenOff = { credits, toolCalls, standing: "awaiting" };
  changeUncorrected(state, node, 1);
  // Also where nothing was left in doubt the tier above must hear that the usage is provisional now.
  for (let at = node.parent; at; at = at.parent) noteChange(at);
  const { key, fingerprint } = event.effect;
  const amounts = { ...NOTHING, credits, toolCalls };
  const answer = { type: "written_off", allocationId: node.id, amounts, repeated: false } as const;
  state.effects.set(key, { kind: "answer", fingerprint, answer });
  node.effectKeys = withText(node.effectKeys, key);
}
