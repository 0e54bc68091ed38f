/** What a hello says, against the parent's own books: the reports to book, what it does not name, and how each allocation stands. */
import {
  type Allocation,
  type BudgetState,
  CONSUMABLES,
  type GrantRevision,
  leaseLeft,
  lowBudgetsOver,
  NO_USAGE,
  pausesOver,
  RESOURCES,
  revisionOf,
} from "#budget";
import type { AllocationStanding, HeldAllocation, Hello } from "#ports";
import { LIMITS } from "#std";
import type { CommandInput } from "./command-input.ts";
import { type LowBudgetItem, lowBudgetItem } from "./directives.ts";

/** What a hello says of its allocations is booked like returns and reports. */
export function accountsOf({ instance: caller, allocations }: Hello): CommandInput[] {
  return allocations.flatMap(({ allocationId, epoch, usage, final, returnedTotal }): CommandInput[] => [
    { type: "receive_return", caller, allocationId, epoch, returnedTotal },
    { type: "report_usage", caller, allocationId, epoch, sequence: 0, usage, final },
  ]);
}

/**
 * A grant that the hello does not name was never taken there, for a hello is complete and the same journal speaks (the instance is named
 * after it): it was never spent and comes back. Only where it can not be spent any more either:
 * - when this is the first hello of this life of the child to this life of the parent. The child refuses what was handed to an earlier life
 *   of its own, and what an earlier life of the parent granted than that whose welcome it answers;
 * - when it was written off: its lease had ended long before, so a handover that still arrives opens it without one, and what is closed here
 *   is never renewed.
 */
export function untakenOf(state: BudgetState, { instance, allocations }: Hello, isFirst: boolean): Allocation[] {
  if (!isFirst && state.uncorrected === 0) return [];
  const told = new Set(allocations.map(({ allocationId }) => allocationId));
  const untaken: Allocation[] = [];
  for (const node of state.allocations.values()) {
    if (node.side !== "delegated" || node.peer !== instance || told.has(node.id)) continue;
    if (node.state === "closed" ? node.writtenOff.standing === "awaiting" : isFirst) untaken.push(node);
  }
  return untaken;
}

/**
 * Grants that a hello does not name and that do not go back for it: each is on its way as it was when it was made. What has changed since
 * was told on a link that is gone, or to nobody; so it is to be told as it stands now, once it has come.
 */
export function onTheWay(state: BudgetState, { instance: holder, allocations }: Hello): GrantRevision[] {
  const told = new Set(allocations.map(({ allocationId }) => allocationId));
  const revisions: GrantRevision[] = [];
  for (const node of state.allocations.values()) {
    if (node.side !== "delegated" || node.peer !== holder || node.state !== "open" || told.has(node.id)) continue;
    const revision = revisionOf(node, rulesOf(node));
    if (revision) revisions.push(revision);
  }
  return revisions;
}

/**
 * What of a hello its journal cannot mean, by path: less than that journal has told before, or nothing at all of a grant that it has told
 * of. A daemon writes before it tells, so its journal is a copy from before; what it forgot may have been spent.
 */
export function forgottenBy(state: BudgetState, { instance, allocations }: Hello): string[] {
  const told = new Map(allocations.map((held) => [held.allocationId, held]));
  const forgotten: string[] = [];
  for (const node of state.allocations.values()) {
    if (node.side !== "delegated" || node.peer !== instance || node.state === "closed") continue;
    const held = told.get(node.id);
    if (held ? isBehind(node, held) : wasHeardOf(node)) forgotten.push(node.path);
  }
  return forgotten;
}

function isBehind({ corrections, books, returnedTotal }: Allocation, held: HeldAllocation): boolean {
  if (held.usage.corrections !== corrections) return held.usage.corrections < corrections;
  const usedLess = CONSUMABLES.some((resource) => held.usage[resource] < books[resource].usage);
  return usedLess || RESOURCES.some((resource) => held.returnedTotal[resource] < returnedTotal[resource]);
}

function wasHeardOf({ books, returnedTotal }: Allocation): boolean {
  return (
    CONSUMABLES.some((resource) => books[resource].usage > 0) ||
    RESOURCES.some((resource) => returnedTotal[resource] > 0)
  );
}

/** The final account of what was never taken. */
export function neverTaken(
  caller: string,
  { id: allocationId, epoch }: Pick<Allocation, "id" | "epoch">,
): CommandInput {
  return { type: "report_usage", caller, allocationId, epoch, sequence: 0, usage: NO_USAGE, final: true };
}

/** Instances that hold something here that is not closed. */
export function holdersOf(state: BudgetState): ReadonlySet<string> {
  const holders = new Set<string>();
  for (const { side, peer, state: at } of state.allocations.values()) {
    if (side === "delegated" && at !== "closed" && peer !== undefined) holders.add(peer);
  }
  return holders;
}

/** The lease counts at the child from its hello, here from what was written down: at the latest now. */
export function standingOf(
  state: BudgetState,
  { allocationId, grantedTotal }: HeldAllocation,
  { instance, nowMs }: { readonly instance: string; readonly nowMs: number },
): AllocationStanding {
  const node = state.allocations.get(allocationId);
  if (node?.side !== "delegated" || node.peer !== instance) {
    return { allocationId, epoch: 0, state: undefined, grantedTotal, lease: undefined };
  }
  const { epoch, state: at } = node;
  const ttlMs = at === "closed" ? 0 : leaseLeft(node, nowMs);
  const lease = ttlMs > 0 ? { epoch, ttlMs } : undefined;
  const { grantedTotal: granted, deadlineAtMs } = node;
  const left = deadlineAtMs === undefined || at !== "open" ? {} : { deadlineLeftMs: Math.max(0, deadlineAtMs - nowMs) };
  return { allocationId, epoch, state: at, grantedTotal: granted, lease, ...left, ...rulesOf(node) };
}

/** Which pauses of it are over, and, while it is open, what it inherits from above. */
function rulesOf(node: Allocation): Pick<GrantRevision, "pausesOver" | "inherited"> {
  const over = pausesOver(node);
  const { inherited } = node.policy;
  return {
    ...(over.length > 0 && { pausesOver: over }),
    ...(inherited && node.state === "open" && { inherited }),
  };
}

/** What runs low of that which the allocations of a hello draw on: it may have been told on a link that was lost. At most one message full. */
export function lowBudgetsOf(state: BudgetState, { instance, allocations }: Hello): LowBudgetItem[] {
  const items: LowBudgetItem[] = [];
  for (const { allocationId } of allocations) {
    const node = state.allocations.get(allocationId);
    if (node?.peer !== instance) continue;
    for (const low of lowBudgetsOver(node)) items.push(lowBudgetItem(allocationId, low));
    if (items.length >= LIMITS.streamItemsMax) return items.slice(0, LIMITS.streamItemsMax);
  }
  return items;
}
