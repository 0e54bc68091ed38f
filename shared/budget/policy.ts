/** Everything of an allocation that is one of a few names. The order of priorities is their number. */

export const PRIORITIES = ["LOW", "NORMAL", "HIGH", "CRITICAL", "EMERGENCY"] as const;
export type Priority = (typeof PRIORITIES)[number];

export const STRATEGIES = [
  "FIRST_COME_FIRST_SERVED",
  "PRIORITY_BASED",
  "PROPORTIONAL_SHARING",
  "PREEMPTION_ALLOWED",
  "QUEUE_AND_WAIT",
] as const;
export type StrategyName = (typeof STRATEGIES)[number];

export const CONFLICT_TYPES = [
  "INSUFFICIENT_CREDITS",
  "INSUFFICIENT_TIME",
  "INSUFFICIENT_MEMORY",
  "CONCURRENCY_LIMIT_REACHED",
  "TOOL_LIMIT_REACHED",
  "EXCLUSIVE_ACCESS_REQUIRED",
] as const;
export type ConflictType = (typeof CONFLICT_TYPES)[number];

/** How children of a node compete. Absent parts are inherited; the root's default is FIRST_COME_FIRST_SERVED. */
export interface Policy {
  readonly strategy?: StrategyName;
  /** Requests may name their own strategy. Default false. */
  readonly requestMayChoose?: boolean;
  /** Requests waiting at this node, at most; default LIMITS.queueLengthMax. */
  readonly queueLengthMax?: number;
  /** Longest wait in milliseconds; default LIMITS.queueWaitMsMax. */
  readonly queueWaitMsMax?: number;
}

export const ALLOCATION_KINDS = ["account", "swarm", "run", "branch", "step"] as const;
export type AllocationKind = (typeof ALLOCATION_KINDS)[number];

/** Where the allocation's own books are kept. */
export type Side =
  /** Here, under a parent that is also here, or an account at the top. */
  | "local"
  /** Here; the parent is in another daemon's journal. */
  | "received"
  /** In another daemon, which holds it under a lease; here stands the commitment. */
  | "delegated";

export type AllocationState = "open" | "closing" | "closed";

export const PREEMPTION_MODES = ["SHRINK", "PAUSE", "STOP"] as const;
export type PreemptionMode = (typeof PREEMPTION_MODES)[number];
