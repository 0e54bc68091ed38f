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

/**
 * How children of a node compete. An absent strategy or aging step is inherited, and without any it is FIRST_COME_FIRST_SERVED and
 * LIMITS.agingStepMs; the other parts are the node's own.
 */
export interface Policy {
  readonly strategy?: StrategyName;
  /** Requests may name their own strategy. Default false. */
  readonly requestMayChoose?: boolean;
  /** Requests waiting at this node, at most; default LIMITS.queueLengthMax. */
  readonly queueLengthMax?: number;
  /** Longest wait in milliseconds; default LIMITS.queueWaitMsMax. */
  readonly queueWaitMsMax?: number;
  /** Under PRIORITY_BASED: waiting for so many milliseconds raises the priority by one level; default LIMITS.agingStepMs. */
  readonly agingStepMs?: number;
  /**
   * Its holder is told when so much of its credits or tool calls is used: 1 … 99, rising, at most LIMITS.lowBudgetPercentsMax of them. Absent:
   * inherited, and without any LIMITS.lowBudgetPercents.
   */
  readonly lowBudgetPercents?: readonly number[];
  /** Under PREEMPTION_ALLOWED: how it is damped. Absent: as the nearest node above says, and as usual where none does. */
  readonly preemption?: PreemptionPolicy;
  /**
   * Another policy that is tried beside this one: what each request would have got under it is decided and told, and nothing of it is done.
   * Absent: as the nodes above have theirs.
   */
  readonly shadow?: ShadowPolicy;
  /** Of a grant between daemons: what policies above it say, which holds inside it where no policy there says anything else. Absent: nothing. */
  readonly inherited?: InheritedPolicy;
}

/** What is inherited across daemons. What is absent no policy above the grant says. */
export interface InheritedPolicy extends Pick<Policy, "strategy" | "agingStepMs" | "lowBudgetPercents" | "preemption"> {
  /** Path of the node whose policy names the strategy; absent without one. */
  readonly strategyPath?: string;
}

/** What of a policy can be tried: what is stated stands in the place of what the policy itself states, the rest is as in force. */
export type ShadowPolicy = Pick<
  Policy,
  "strategy" | "requestMayChoose" | "queueLengthMax" | "queueWaitMsMax" | "agingStepMs" | "preemption"
>;

/** Whose word counts: that of the policies, or that of what is tried beside them, where something is. */
export type Under = "policy" | "shadow";

/** What the policy states of this, or what is tried in its place. */
export function statedBy<K extends keyof ShadowPolicy>(policy: Policy, key: K, under: Under): Policy[K] {
  return (under === "shadow" ? policy.shadow?.[key] : undefined) ?? policy[key];
}

/** Whether the policy says nothing of its own, as most do. */
export function isEmptyPolicy(policy: Policy): boolean {
  for (const name in policy) if (policy[name as keyof Policy] !== undefined) return false;
  return true;
}

/** How much of running work may be taken, and how that is damped; what is absent is as usual (LIMITS.victim…). */
export interface PreemptionPolicy {
  /** The worst that may be done to running work; SHRINK: it is never touched, only asked for what it has free; PAUSE: never stopped. Usual: STOP. */
  readonly worst?: PreemptionMode;
  /** Work is left alone for so many milliseconds after it was granted. */
  readonly protectMs?: number;
  /** Work that was paused or stopped, and its next attempt, are left alone for so many milliseconds. */
  readonly coolDownMs?: number;
  /** Running work that is paused or stopped at a time for one request; at least 1. */
  readonly victimsPerRoundMax?: number;
  /** Running work is left alone where less than this percentage of what would be taken from it is missing; 0 … 100. */
  readonly worthPercentMin?: number;
  /** Milliseconds that stopped work has to end in peace. */
  readonly graceMs?: number;
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
