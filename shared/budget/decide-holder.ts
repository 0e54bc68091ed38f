/** What crosses daemons: grants received, counters, leases, usage reports. Receivers take the maximum, so repeats do no harm. */
import { LIMITS } from "#std";
import type { Amount } from "./amount.ts";
import { finish, freed, handBack, resume } from "./cascade.ts";
import type { CommandOf, ReceiveGrant, ReportedUsage } from "./command.ts";
import { DONE, type Draft, emit, refuse, UNCHANGED } from "./draft.ts";
import { openedOutcome } from "./evolve-allocation.ts";
import { bookableOf, freeOfNode } from "./free.ts";
import { leaseEnd, leaseLeft, leaseUnder } from "./lease.ts";
import type { Outcome, Refusal, Violation } from "./outcome.ts";
import { endIfMet, pendingOf, tellProgress } from "./reclaim.ts";
import { type Amounts, type Consumable, isNothing, leastAmounts, monusAmounts, RESOURCES } from "./resource.ts";
import type { Allocation, BudgetState } from "./state.ts";
import { strategyNamed, unsupportedStrategy } from "./strategies/index.ts";
import { grownCalls } from "./tally.ts";

/** Opens the child's side of a grant. The same grant again is the same answer. */
export function decideReceiveGrant(draft: Draft, command: ReceiveGrant): Outcome {
  const known = draft.state.allocations.get(command.allocationId);
  if (known) {
    if (known.side !== "received" || known.epoch !== command.epoch) {
      return refuse({ code: "stale_epoch", allocationId: known.id, currentEpoch: known.epoch });
    }
    return { ...openedOutcome(known, false), repeated: true };
  }
  const { strategy } = command.policy;
  if (strategy !== undefined && !strategyNamed(strategy)) {
    return refuse({ code: "unsupported", message: unsupportedStrategy(strategy) });
  }
  const { nowMs, deadlineLeftMs, notes, type, ...rest } = command;
  const deadlineAtMs = deadlineLeftMs === undefined ? undefined : nowMs + deadlineLeftMs;
  const opened = { type: "allocation_opened", atMs: nowMs, parentId: undefined, side: "received" } as const;
  emit(draft, { ...rest, ...opened, deadlineAtMs, effect: undefined });
  for (const [key, value] of notes) {
    emit(draft, { type: "note_attached", atMs: nowMs, allocationId: command.allocationId, key, value });
  }
  const node = draft.state.allocations.get(command.allocationId);
  return node ? openedOutcome(node, false) : UNCHANGED;
}

function received(state: BudgetState, allocationId: string, epoch: number): Allocation | Refusal {
  const node = state.allocations.get(allocationId);
  if (node?.side !== "received") return { code: "not_found", subject: "received grant", id: allocationId };
  if (node.epoch !== epoch) return { code: "stale_epoch", allocationId, currentEpoch: node.epoch };
  return node;
}

export function decideReceiveLimit(draft: Draft, command: CommandOf<"receive_limit">): Outcome {
  const node = received(draft.state, command.allocationId, command.epoch);
  if ("code" in node) return refuse(node);
  const by = monusAmounts(command.grantedTotal, node.grantedTotal);
  if (node.state === "closed" || isNothing(by)) return UNCHANGED;
  emit(draft, { type: "limit_raised", atMs: draft.nowMs, allocationId: node.id, by, effect: undefined });
  // A pooled grant was raised for a call that is about to be reserved: handing it back here would take it from under it.
  if (node.pooled.length === 0 || node.state !== "open") freed(draft, node);
  return DONE;
}

export function decideReturnSurplus(draft: Draft, command: CommandOf<"return_surplus">): Outcome {
  const node = draft.state.allocations.get(command.allocationId);
  if (node?.side !== "received") {
    return refuse({ code: "not_found", subject: "received grant", id: command.allocationId });
  }
  const by = monusAmounts(freeOfNode(node), command.keep);
  if (node.state === "closed" || isNothing(by)) return UNCHANGED;
  handBack(draft, node, by);
  return DONE;
}

export function decideRenewLease(draft: Draft, command: CommandOf<"renew_lease">): Outcome {
  const node = received(draft.state, command.allocationId, command.epoch);
  if ("code" in node) return refuse(node);
  if (node.state === "closed" || command.endsAtMs <= (node.leaseEndsAtMs ?? 0)) return UNCHANGED;
  const hadEnded = draft.nowMs >= (node.leaseEndsAtMs ?? draft.nowMs);
  emit(draft, { type: "lease_renewed", atMs: draft.nowMs, allocationId: node.id, endsAtMs: command.endsAtMs });
  if (hadEnded) resume(draft, node);
  return DONE;
}

/** The delegated allocation, if the caller holds it. */
function heldBy(state: BudgetState, caller: string, allocationId: string): Allocation | Refusal {
  const node = state.allocations.get(allocationId);
  if (node?.side !== "delegated") return { code: "not_found", subject: "granted allocation", id: allocationId };
  if (node.peer !== caller) return { code: "not_permitted", message: `${node.path} is not held by ${caller}` };
  return node;
}

export function decideReceiveReturn(draft: Draft, command: CommandOf<"receive_return">): Outcome {
  const node = heldBy(draft.state, command.caller, command.allocationId);
  if ("code" in node) return refuse(node);
  if (command.epoch !== node.epoch) {
    return refuse({ code: "stale_epoch", allocationId: node.id, currentEpoch: node.epoch });
  }
  const above = RESOURCES.filter((resource) => command.returnedTotal[resource] > node.grantedTotal[resource]);
  if (above.length > 0) {
    const message = "cannot exceed what was granted in total";
    return refuse({ code: "invalid", violations: above.map((r) => ({ field: `returned_total.${r}`, message })) });
  }
  const by = monusAmounts(command.returnedTotal, node.returnedTotal);
  if (node.state === "closed" || isNothing(by)) return UNCHANGED;
  bookReturn(draft, node, by);
  if (node.parent) freed(draft, node.parent);
  return DONE;
}

/** Books what came back, first for the preemptions that asked for it, oldest first. */
function bookReturn(draft: Draft, node: Allocation, by: Amounts): void {
  let rest = by;
  for (const reclaim of [...node.reclaims.values()]) {
    const part = leastAmounts(rest, pendingOf(reclaim));
    if (isNothing(part)) continue;
    const lowered = { type: "limit_lowered", atMs: draft.nowMs, allocationId: node.id, by: part } as const;
    emit(draft, { ...lowered, preemptionId: reclaim.preemptionId });
    tellProgress(draft, node, reclaim);
    endIfMet(draft, node, reclaim.preemptionId);
    rest = monusAmounts(rest, part);
  }
  if (isNothing(rest)) return;
  emit(draft, { type: "limit_lowered", atMs: draft.nowMs, allocationId: node.id, by: rest, preemptionId: undefined });
}

/** Books a usage report, renews the lease, and closes what its holder calls final. */
export function decideReportUsage(draft: Draft, command: CommandOf<"report_usage">): Outcome {
  const node = heldBy(draft.state, command.caller, command.allocationId);
  if ("code" in node) return refuse(node);
  if (command.epoch !== node.epoch && !command.final) {
    return refuse({ code: "stale_epoch", allocationId: node.id, currentEpoch: node.epoch });
  }
  if (node.state !== "closed") {
    const violations = absurdities(node, command.usage);
    if (violations.length > 0) return refuse({ code: "invalid", violations });
    // Usage only grows, so what has not grown is older, whatever its sequence says.
    if (hasGrown(node, command.usage)) {
      const { sequence, usage } = command;
      emit(draft, { type: "usage_reported", atMs: draft.nowMs, allocationId: node.id, sequence, ...usage });
    }
    if (command.final) acceptFinal(draft, node);
    else renew(draft, node, command.leaseEndsAtMs);
  }
  const { id: allocationId, epoch, state, closingReason } = node;
  // The holder may count on what is written down, and on nothing more.
  const leaseTtlMs = leaseLeft(node, draft.nowMs);
  return { type: "reported", allocationId, epoch, sequence: command.sequence, leaseTtlMs, state, closingReason };
}

/** What no account can be: more overrun than usage, or more than can be counted. */
function absurdities(node: Allocation, usage: ReportedUsage): Violation[] {
  const found: Violation[] = [];
  const check = (resource: Consumable, overrun: Amount, field: string) => {
    const { usage: known, available } = node.books[resource];
    if (overrun > usage[resource])
      found.push({ field: `usage.overrun_${field}`, message: "must not exceed the usage" });
    if (usage[resource] - known - available > bookableOf(node, resource)) {
      found.push({ field: `usage.${field}`, message: `all usage together would be above ${LIMITS.amountMax}` });
    }
  };
  check("credits", usage.overrunCredits, "credits");
  check("toolCalls", usage.overrunToolCalls, "tool_calls");
  return found;
}

function hasGrown(node: Allocation, usage: ReportedUsage): boolean {
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
    grownCalls(tally, usage.callsPerTool).length > 0
  );
}

/**
 * Written down at twice the pace at which holders renew: none of their renewals is passed over, and the many reports between them need
 * not be in the journal.
 */
function renew(draft: Draft, node: Allocation, latestMs: number): void {
  const ttlMs = leaseUnder(node, draft.nowMs, node.leaseTtlMs);
  if (ttlMs === 0) return;
  const endsAtMs = Math.min(latestMs, leaseEnd(draft.nowMs, ttlMs));
  const stepMs = node.leaseTtlMs / (2 * LIMITS.leaseRenewParts);
  if (!node.doubtful && endsAtMs < (node.leaseEndsAtMs ?? 0) + stepMs) return;
  emit(draft, { type: "lease_renewed", atMs: draft.nowMs, allocationId: node.id, endsAtMs });
}

function acceptFinal(draft: Draft, node: Allocation): void {
  if (node.state === "open") {
    const reason = "ended by its holder";
    emit(draft, { type: "allocation_closing", atMs: draft.nowMs, allocationId: node.id, reason });
  }
  finish(draft, node);
}
