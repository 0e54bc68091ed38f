/** Why a request does not fit: the scarce resource, the node that had not enough, who holds it, and when to try again. */
import { LIMITS } from "#std";
import { freeOf, isConsumable, limitOf, sourceOf } from "./free.ts";
import type { Conflict, Refusal } from "./outcome.ts";
import type { ConflictType } from "./policy.ts";
import type { Resource } from "./resource.ts";
import { type Allocation, heldShare, rootOf } from "./state.ts";

const TYPE_OF: { readonly [R in Resource | "duration"]: ConflictType } = {
  credits: "INSUFFICIENT_CREDITS",
  toolCalls: "TOOL_LIMIT_REACHED",
  branches: "CONCURRENCY_LIMIT_REACHED",
  memoryBytes: "INSUFFICIENT_MEMORY",
  duration: "INSUFFICIENT_TIME",
};

function shareOf(child: Allocation, resource: Resource): number {
  if (isConsumable(resource)) return Math.max(child.books[resource].limit, child.books[resource].usage);
  return heldShare(child, resource);
}

type Holder = Conflict["holders"][number];

/** Keeps the largest few, equal ones in the order in which they came. */
function keepLargest(holders: Holder[], holder: Holder): void {
  const at = holders.findIndex(({ amount }) => amount < holder.amount);
  holders.splice(at < 0 ? holders.length : at, 0, holder);
  if (holders.length > LIMITS.conflictHoldersMax) holders.pop();
}

function holdersOf(node: Allocation, resource: Resource): Conflict["holders"] {
  const found: Holder[] = [];
  // A refusal under pressure comes often: of a thousand children only the few that are named are written down.
  const tooSmall = () => (found.length < LIMITS.conflictHoldersMax ? 0 : (found.at(-1)?.amount ?? 0));
  let scanned = 0;
  for (const child of node.children) {
    if (++scanned > LIMITS.conflictHoldersScanMax) break;
    const amount = shareOf(child, resource);
    if (amount > tooSmall()) keepLargest(found, { id: child.id, path: child.path, amount });
  }
  for (const hold of node.holds) {
    if (++scanned > LIMITS.conflictHoldersScanMax) break;
    const amount = hold.amounts[resource];
    if (amount > tooSmall()) keepLargest(found, { id: hold.id, path: `${node.path}#${hold.name}`, amount });
  }
  return found;
}

/** Milliseconds until something at the node is known to end; the usual retry time where nothing is. */
function nextChangeMs(node: Allocation, nowMs: number): number {
  let next = Number.POSITIVE_INFINITY;
  let scanned = 0;
  for (const child of node.children) {
    if (++scanned > LIMITS.conflictHoldersScanMax) break;
    if (child.deadlineAtMs !== undefined) next = Math.min(next, child.deadlineAtMs - nowMs);
  }
  return Number.isFinite(next) ? Math.max(next, 1) : LIMITS.retryAfterMs;
}

export interface ConflictOptions {
  readonly node: Allocation;
  readonly resource: Resource;
  readonly wanted: number;
  readonly nowMs: number;
  readonly position?: number;
}

export function conflictAt({ node: asked, resource, wanted, nowMs, position = 0 }: ConflictOptions): Conflict {
  const node = sourceOf(asked, resource);
  const never = wanted > limitOf(node, resource);
  const waitMs = nextChangeMs(node, nowMs);
  return {
    conflict: TYPE_OF[resource],
    resource,
    ancestorId: node.id,
    ancestorPath: node.path,
    wanted,
    available: freeOf(node, resource),
    debt: isConsumable(resource) ? node.books[resource].debt : 0,
    holders: holdersOf(node, resource),
    never,
    retryAfterMs: never ? 0 : Math.min(waitMs, LIMITS.retryAfterMs),
    position,
    expectedWaitMs: never ? 0 : waitMs,
  };
}

export function outOfTime(node: Allocation, nowMs: number): Refusal {
  const left = Math.max(0, (node.deadlineAtMs ?? nowMs) - nowMs);
  return {
    code: "conflict",
    conflict: {
      conflict: TYPE_OF.duration,
      resource: "duration",
      ancestorId: node.id,
      ancestorPath: node.path,
      wanted: 1,
      available: left,
      debt: 0,
      holders: [],
      never: true,
      retryAfterMs: 0,
      position: 0,
      expectedWaitMs: 0,
    },
  };
}

export function closingRefusal({ id, path, state, closingReason }: Allocation): Refusal {
  return { code: "closing", allocationId: id, path, reason: closingReason ?? state };
}

/** Why the node takes no new work at all, or undefined when it does: closing, its deadline passed, or its lease ended. */
export function notTakingWork(node: Allocation, nowMs: number): Refusal | undefined {
  if (node.state !== "open") return closingRefusal(node);
  if (node.deadlineAtMs !== undefined && nowMs >= node.deadlineAtMs) return outOfTime(node, nowMs);
  const root = rootOf(node);
  if (root.side === "received" && root.leaseEndsAtMs !== undefined && nowMs >= root.leaseEndsAtMs) {
    return { code: "lease_ended", allocationId: root.id, path: root.path };
  }
  return undefined;
}
