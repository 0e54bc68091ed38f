/**
 * Usage reports of holders: they book usage, renew the lease, and close what their holder calls final.
 *
 * Usage never falls but with a correction: of two accounts of one allocation that with more corrections is the later one and takes the
 * place of the other; of two with as many the larger one counts; one with fewer is older and moves nothing.
 *
 * A final account is taken under every epoch that there was, also for an allocation that is closed already, if it was written off and no
 * true account has come, or if it closed on a provisional account and this one has more corrections. What stands as spent above it then moves to
 * the truth, in either direction. Less: the rest comes back, pays debt first, and goes on up through what is closed as it would have at
 * the close, until an open ancestor takes it, or the tier above, which is told the final account again. More: it is taken from what is
 * free, and where nothing is free it is debt. Everything above counts one more correction for each.
 */
import { LIMITS } from "#std";
import { type Amount, most, subtract } from "./amount.ts";
import { askElsewhere, finishHeld } from "./ask-below.ts";
import { freed, tellClosed, tellReturned } from "./cascade.ts";
import type { CommandOf, ReportedUsage } from "./command.ts";
import { heldBy } from "./decide-holder.ts";
import { type Draft, emit, refuse } from "./draft.ts";
import { bookableOf } from "./free.ts";
import { leaseEnd, leaseLeft, leaseUnder } from "./lease.ts";
import { tellLow, useOf } from "./low-budget.ts";
import type { Outcome, Violation } from "./outcome.ts";
import { stopFor } from "./paused.ts";
import { turnAwayRaises } from "./queue.ts";
import { type Consumable, isNothing, monusAmounts } from "./resource.ts";
import { type Allocation, rootOf } from "./state.ts";
import { grownCalls } from "./tally.ts";

/** Why a grant closes whose final account comes while nobody has closed it. */
export const ENDED_BY_HOLDER = "ended by its holder";

export function decideReportUsage(draft: Draft, command: CommandOf<"report_usage">): Outcome {
  const node = heldBy(draft.state, command.caller, command.allocationId);
  if ("code" in node) return refuse(node);
  if (command.epoch > node.epoch || (command.epoch < node.epoch && !command.final)) {
    return refuse({ code: "stale_epoch", allocationId: node.id, currentEpoch: node.epoch });
  }
  const { sequence, final } = command;
  const usage = bounded(draft, node, command.usage);
  const isOpen = node.state !== "closed";
  if (isOpen || (final && isAwaited(node, usage))) {
    const violations = absurdities(node, usage);
    if (violations.length > 0) return refuse({ code: "invalid", violations });
    if (isOpen) book(draft, node, { sequence, usage });
    else correct(draft, node, { sequence, usage });
  }
  if (isOpen) {
    if (final) acceptFinal(draft, node);
    else {
      renew(draft, node);
      askElsewhere(draft, node);
    }
  }
  const { id: allocationId, epoch, state, closingReason } = node;
  // The holder may count on what is written down, and on nothing more.
  const leaseTtlMs = leaseLeft(node, draft.nowMs);
  const stop = state === "closing" ? stopFor(node) : undefined;
  const reported = { type: "reported", allocationId, epoch, sequence, leaseTtlMs, state, closingReason } as const;
  return stop ? { ...reported, stop } : reported;
}

/** Only so many records wait for a correction; beyond that they are given up like any other, whatever their holder says. */
function bounded({ state }: Draft, node: Allocation, usage: ReportedUsage): ReportedUsage {
  if (!usage.provisional || node.uncorrected > 0 || state.uncorrected < LIMITS.writtenOffMax) return usage;
  return { ...usage, provisional: false };
}

/** A closed node has room for another account only where a true one is missing. */
function isAwaited(node: Allocation, { corrections }: ReportedUsage): boolean {
  if (node.uncorrected === 0) return false;
  return (
    corrections > node.corrections || (node.writtenOff.standing === "awaiting" && corrections === node.corrections)
  );
}

interface Account {
  readonly sequence: number;
  readonly usage: ReportedUsage;
}

function book(draft: Draft, node: Allocation, { sequence, usage }: Account): void {
  const isLater = usage.corrections > node.corrections;
  if (!isLater && !hasGrown(node, usage)) return;
  const before = useOf(node);
  emit(draft, { type: "usage_reported", atMs: draft.nowMs, allocationId: node.id, sequence, ...usage });
  tellLow(draft, node, before);
  if (isLater) freedAbove(draft, node);
}

function correct(draft: Draft, node: Allocation, { sequence, usage }: Account): void {
  const root = rootOf(node);
  const before = root.returnedTotal;
  const { credits, toolCalls } = trueUsage(node, usage);
  const event = { ...usage, type: "account_corrected", atMs: draft.nowMs, allocationId: node.id, sequence } as const;
  const used = useOf(node);
  emit(draft, { ...event, credits, toolCalls });
  tellLow(draft, node, used);
  freedAbove(draft, node);
  if (root.state !== "closed" || root.side !== "received") return;
  if (!isNothing(monusAmounts(root.returnedTotal, before))) tellReturned(draft, root);
  tellClosed(draft, root);
}

/** What came back, or is owed no more, at any node above. */
function freedAbove(draft: Draft, node: Allocation): void {
  for (let at = node.parent; at; at = at.parent) freed(draft, at);
}

/** What a node has used by this account. What its holder had reported before stands, unless it was corrected there. */
function trueUsage(node: Allocation, usage: ReportedUsage): { readonly [C in Consumable]: Amount } {
  if (usage.corrections > node.corrections) return usage;
  const reported = (resource: Consumable) => subtract(node.books[resource].usage, node.writtenOff[resource]);
  return {
    credits: most(usage.credits, reported("credits")),
    toolCalls: most(usage.toolCalls, reported("toolCalls")),
  };
}

/** What no account can be: more overrun than usage, or more than can be counted. */
function absurdities(node: Allocation, usage: ReportedUsage): Violation[] {
  if (usage.corrections < node.corrections) return [];
  const found: Violation[] = [];
  const isLater = usage.corrections > node.corrections;
  const check = (resource: Consumable, overrun: Amount, field: string) => {
    const { usage: known, available, overrun: knownOverrun } = node.books[resource];
    // A correction takes nothing back of what is known as overrun.
    if (overrun > usage[resource] || (isLater && knownOverrun > usage[resource]))
      found.push({ field: `usage.overrun_${field}`, message: "must not exceed the usage" });
    // At its close a node's parent got what was left of it.
    const left = node.state === "closed" ? 0 : available;
    if (usage[resource] - known - left > bookableOf(node, resource)) {
      found.push({ field: `usage.${field}`, message: `all usage together would be above ${LIMITS.amountMax}` });
    }
  };
  check("credits", usage.overrunCredits, "credits");
  check("toolCalls", usage.overrunToolCalls, "tool_calls");
  return found;
}

/** An account with as many corrections says something new, whatever its sequence says: it only grows. */
function hasGrown(node: Allocation, usage: ReportedUsage): boolean {
  if (usage.corrections < node.corrections) return false;
  const { books, tally, held } = node;
  return (
    usage.credits > books.credits.usage ||
    usage.toolCalls > books.toolCalls.usage ||
    usage.overrunCredits > books.credits.overrun ||
    usage.overrunToolCalls > books.toolCalls.overrun ||
    usage.memoryPeakBytes > tally.memoryPeakBytes ||
    usage.branchesPeak > held.branches.peak ||
    usage.networkBytes > tally.networkBytes ||
    usage.diskBytes > tally.diskBytes ||
    usage.gpuMs > tally.gpuMs ||
    (usage.provisional && node.uncorrected === 0) ||
    grownCalls(tally, usage.callsPerTool).length > 0
  );
}

/**
 * Written down at twice the pace at which holders renew: none of their renewals is passed over, and the many reports between them need
 * not be in the journal. While the lease of this daemon itself is over nothing is renewed.
 */
function renew(draft: Draft, node: Allocation): void {
  const ttlMs = leaseUnder(node, draft.nowMs, node.leaseTtlMs);
  if (ttlMs === 0) return;
  const endsAtMs = leaseEnd(draft.nowMs, ttlMs);
  const stepMs = node.leaseTtlMs / (2 * LIMITS.leaseRenewParts);
  if (!node.doubtful && endsAtMs < (node.leaseEndsAtMs ?? 0) + stepMs) return;
  emit(draft, { type: "lease_renewed", atMs: draft.nowMs, allocationId: node.id, endsAtMs });
}

function acceptFinal(draft: Draft, node: Allocation): void {
  if (node.state === "open") {
    const closing = { type: "allocation_closing", atMs: draft.nowMs, allocationId: node.id } as const;
    emit(draft, { ...closing, reason: ENDED_BY_HOLDER });
    turnAwayRaises(draft, node);
  }
  finishHeld(draft, node);
}
