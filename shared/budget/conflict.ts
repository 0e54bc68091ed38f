/** Why a request does not fit: the scarce resource, the node that had not enough, who holds it, and when to try again. */
import { LIMITS } from "#std";
import { ZERO } from "./amount.ts";
import type { GrantWish } from "./command.ts";
import { strategyInForce } from "./find-strategy.ts";
import { freeOf, isConsumable, limitOf, sourceFor } from "./free.ts";
import { roomAtMs } from "./known-ends.ts";
import type { Conflict, Refusal } from "./outcome.ts";
import { pausedBy, type Standing } from "./paused.ts";
import type { ConflictType, Under } from "./policy.ts";
import { reservedAt } from "./reservation-words.ts";
import type { Resource } from "./resource.ts";
import { type Allocation, heldShare, rootOf } from "./state.ts";
import { GENERAL, isNoParts, NO_TRANCHES, partsBy, type Sight, sees } from "./tranches.ts";

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
  for (const { id, name, left } of node.waiters.reservations.values()) {
    if (left[resource] > tooSmall()) {
      keepLargest(found, { id, path: `${node.path}#reservation:${name}`, amount: left[resource] });
    }
  }
  return found;
}

/** Milliseconds until something at the node is known to end, at least 1; 0: nothing is. What closes already ends when nobody knows. */
function nextChangeMs(node: Allocation, nowMs: number): number {
  let next = Number.POSITIVE_INFINITY;
  let scanned = 0;
  for (const child of node.children) {
    if (++scanned > LIMITS.conflictHoldersScanMax) break;
    if (child.deadlineAtMs === undefined || child.state !== "open") continue;
    next = Math.min(next, child.deadlineAtMs - nowMs);
  }
  for (const { endsAtMs } of node.waiters.reservations.values()) next = Math.min(next, endsAtMs - nowMs);
  return Number.isFinite(next) ? Math.max(next, 1) : 0;
}

export interface ConflictOptions {
  readonly node: Allocation;
  readonly resource: Resource;
  readonly wanted: number;
  readonly nowMs: number;
  /** Place in the queue; absent: it does not wait. */
  readonly position?: number;
  /** What those before it in the queue need of the resource, together. */
  readonly claimed?: number;
  /** The wish, where a strategy decides: not for calls. */
  readonly wish?: Pick<GrantWish, "strategy" | "reservationId">;
  /** Which tranches the asker may draw at the node; default: none. */
  readonly sight?: Sight;
  /** Whose strategy it is; absent: that of the policies. */
  readonly under?: Under;
}

/** Of one who waits: until there is room for it and those before it, by the known deadlines. Where these do not say, and of others: until something ends. 0: nobody knows. */
function expectedWaitMs(
  node: Allocation,
  { resource, wanted, nowMs, position = 0, claimed = 0, sight }: ConflictOptions,
): number {
  const room = position > 0 ? roomAtMs({ node, resource, needed: claimed + wanted, nowMs, sight }) : undefined;
  return room !== undefined && room > nowMs ? room - nowMs : nextChangeMs(node, nowMs);
}

function keptFrom({ tranches: { left } }: Allocation, sight: Sight): Pick<Conflict, "kept"> {
  const kept = partsBy((tranche) => (sees(sight, tranche) ? ZERO : left[tranche]));
  return isNoParts(kept) ? {} : { kept };
}

/** Its limit is a share of what is above it, in another daemon, which makes it larger as others end: nobody here knows how large. */
function isShared({ side, policy }: Allocation, resource: Resource): boolean {
  return side === "received" && isConsumable(resource) && policy.inherited?.strategy === "PROPORTIONAL_SHARING";
}

/** When to try again where the wait may be so long; 0: not known. */
export function retryAfterMs(expectedWaitMs: number): number {
  return expectedWaitMs === 0 ? LIMITS.retryAfterMs : Math.min(expectedWaitMs, LIMITS.retryAfterMs);
}

export function conflictAt(options: ConflictOptions): Conflict {
  const { node: asked, resource, wanted, position = 0 } = options;
  const { node, sight } = sourceFor(asked, resource, options.sight ?? GENERAL);
  const never = wanted > limitOf(node, resource, sight) && !isShared(node, resource);
  const waitMs = expectedWaitMs(node, options);
  return {
    conflict: TYPE_OF[resource],
    resource,
    ancestorId: node.id,
    ancestorPath: node.path,
    wanted,
    available: freeOf(node, resource, sight),
    debt: isConsumable(resource) ? node.books[resource].debt : 0,
    holders: holdersOf(node, resource),
    never,
    retryAfterMs: never ? 0 : retryAfterMs(waitMs),
    position,
    expectedWaitMs: never ? 0 : waitMs,
    ...(options.wish && { strategy: strategyInForce(asked, options.wish.strategy, options.under) }),
    ...(resource === "credits" && node.tranches !== NO_TRANCHES && keptFrom(node, sight)),
    ...(node.waiters.reservations.size > 0 && reservedAt(node, options)),
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

export function pausedRefusal({ node: { id, path }, reclaim: { reason } }: Standing): Refusal {
  return { code: "paused", allocationId: id, path, reason };
}

/** Why the node takes no new work at all, or undefined when it does: closing, its deadline passed, paused, or its lease ended. */
export function notTakingWork(node: Allocation, nowMs: number): Refusal | undefined {
  if (node.state !== "open") return closingRefusal(node);
  if (node.deadlineAtMs !== undefined && nowMs >= node.deadlineAtMs) return outOfTime(node, nowMs);
  const pause = pausedBy(node);
  if (pause) return pausedRefusal(pause);
  const root = rootOf(node);
  if (root.side === "received" && root.leaseEndsAtMs !== undefined && nowMs >= root.leaseEndsAtMs) {
    return { code: "lease_ended", allocationId: root.id, path: root.path };
  }
  return undefined;
}
