/**
 * The report: the swarm's tree with limits, usage and state, and the books at its root. Its JSON form is described in docs/report.md;
 * amounts are plain numbers, because every amount of the contract fits one.
 */
import {
  AllocationKind,
  AllocationState,
  type AllocationView,
  ExecutionPriority,
  type WaitingRequest,
} from "#gen/bursar/v1/allocation_pb.js";
import type { Books, ResourceLimits, ResourceUsage, TrancheAmounts } from "#gen/bursar/v1/resources_pb.js";

/** The books in credits. limit + debt = available + reserved + unconfirmed + granted + in_doubt + spent. */
export interface ReportBooks {
  readonly limit: number;
  readonly debt: number;
  readonly available: number;
  readonly reserved: number;
  readonly unconfirmed: number;
  readonly granted: number;
  readonly in_doubt: number;
  readonly spent: number;
  readonly overrun: number;
}

/** What a node may use; an absent field is not limited (or, for credits and tool calls of a step, drawn from above as it goes). */
export interface ReportLimits {
  readonly max_credits?: number;
  readonly max_duration_ms?: number;
  readonly max_concurrent_branches?: number;
  readonly max_memory_bytes?: number;
  readonly max_tool_calls?: number;
  readonly priority_bonus: number;
  readonly emergency_reserve: number;
  readonly wrap_up_reserve: number;
}

/** Credits of each part that is carved inside a budget. */
export interface ReportTranches {
  readonly priority_bonus: number;
  readonly emergency_reserve: number;
  readonly wrap_up_reserve: number;
}

export interface ReportUsage {
  readonly credits: number;
  readonly tool_calls: number;
  readonly overrun_credits: number;
  readonly overrun_tool_calls: number;
  readonly concurrent_branches_peak: number;
  readonly memory_bytes_peak: number;
  readonly network_bytes: number;
  readonly disk_bytes: number;
  readonly gpu_ms: number;
  /** Settled calls by tool or model. */
  readonly tools: Readonly<Record<string, number>>;
}

/** A request that waits for room in a node. */
export interface ReportWaiter {
  /** Empty for paused work that waits to go on. */
  readonly request_id: string;
  /** What it opens when its turn comes, or the open node for which it wants more. */
  readonly id: string;
  /** Name and kind of what it opens; empty when it wants more for an open node. */
  readonly name: string;
  readonly kind: string;
  readonly priority: string;
  /** What it wants at most, in credits. */
  readonly credits: number;
  readonly waited_ms: number;
  /** 1 is next. */
  readonly position: number;
  readonly expected_wait_ms: number;
  /** Its place, and when that may change, in words; the part of `reason` that says it. */
  readonly place: string;
  /** The sentence of `bursar why`. */
  readonly reason: string;
}

export interface ReportNode {
  readonly id: string;
  readonly name: string;
  readonly path: string;
  /** account, swarm, run, branch, step. */
  readonly kind: string;
  /** open, closing, closed; not_started for a step that was skipped. */
  readonly state: string;
  /** succeeded, failed, stopped, skipped; empty while it goes on, and for accounts. */
  readonly outcome: string;
  /** Why it was stopped, failed or closed; empty when there is nothing to say. */
  readonly reason: string;
  readonly limits: ReportLimits;
  readonly usage: ReportUsage;
  readonly books: ReportBooks;
  /** The daemon that holds it; empty where its books are kept by whoever granted it. */
  readonly holder: string;
  /** Its daemon was silent for longer than its lease: what it had not reported is in doubt above it. */
  readonly in_doubt: boolean;
  /** Credits that a person has written off and that no true account has corrected; a part of what is spent. */
  readonly written_off: number;
  /** The highest threshold of its policy that its use of credits or tool calls has reached, in percent; 0: none. */
  readonly low_budget_percent: number;
  /** Requests that wait for room in it; absent: none. */
  readonly waiting?: number;
  /** The first of them, in the order of their turns; absent: none. */
  readonly waiters?: readonly ReportWaiter[];
  /** Names of tools and resources that it holds alone, and that it shares; absent: none. */
  readonly access?: { readonly exclusive: readonly string[]; readonly shared: readonly string[] };
  /** What is left of the parts carved inside its credits; absent: nothing is carved. */
  readonly reserves_left?: ReportTranches;
  /** What it has drawn of the parts carved inside its parent's credits; absent: nothing. */
  readonly make_up?: ReportTranches;
  readonly children: readonly ReportNode[];
}

/** How a replay went. */
export interface ReportCalls {
  /** Calls that were made: their reserve was granted. */
  readonly made: number;
  readonly settled: number;
  /** Reserves that were refused. */
  readonly refused: number;
  /** Line of the log at which the first refusal stopped the intake; null when it was played to its end. */
  readonly stopped_at_line: number | null;
}

export interface Report {
  readonly swarm: { readonly id: string; readonly path: string; readonly name: string; readonly state: string };
  /** succeeded, failed or stopped. */
  readonly outcome: string;
  readonly books: ReportBooks;
  readonly tree: ReportNode;
  /** True when the equation of the books holds at every node of the tree. */
  readonly balanced: boolean;
  readonly calls?: ReportCalls;
}

/** What the events of a run add to its tree: how each node ended and why. By path. */
export interface NodeEnd {
  readonly outcome: string;
  readonly reason: string;
}

const KINDS: Readonly<Record<AllocationKind, string>> = {
  [AllocationKind.UNSPECIFIED]: "",
  [AllocationKind.ACCOUNT]: "account",
  [AllocationKind.SWARM]: "swarm",
  [AllocationKind.RUN]: "run",
  [AllocationKind.BRANCH]: "branch",
  [AllocationKind.STEP]: "step",
};

const STATES: Readonly<Record<AllocationState, string>> = {
  [AllocationState.UNSPECIFIED]: "",
  [AllocationState.OPEN]: "open",
  [AllocationState.CLOSING]: "closing",
  [AllocationState.CLOSED]: "closed",
  [AllocationState.PAUSED]: "paused",
};

const ENDED = new Set(["succeeded", "failed", "stopped"]);

/** A node and all below it. */
export function nodeOf(view: AllocationView): ReportNode {
  const { outcome, reason } = view;
  return {
    id: view.allocationId,
    name: view.name,
    path: view.path,
    kind: KINDS[view.kind] ?? "",
    state: STATES[view.state] ?? "",
    outcome,
    // A node that ended by itself is closed with its outcome as the reason: that says nothing twice.
    reason: reason === outcome || ENDED.has(reason) ? "" : reason,
    limits: limitsOf(view.limits),
    usage: usageOf(view.usage),
    books: booksOf(view.credits),
    holder: view.holder,
    in_doubt: view.inDoubt,
    written_off: Number(view.writtenOffCredits),
    low_budget_percent: view.lowBudgetPercent,
    ...(view.waiting > 0 && { waiting: view.waiting }),
    ...(view.waiters.length > 0 && { waiters: view.waiters.map(waiterOf) }),
    ...(view.access && { access: { exclusive: view.access.exclusive, shared: view.access.shared } }),
    ...(view.tranches?.left && { reserves_left: tranchesOf(view.tranches.left) }),
    ...(view.tranches?.makeUp && { make_up: tranchesOf(view.tranches.makeUp) }),
    children: view.children.map(nodeOf),
  };
}

function waiterOf(waiter: WaitingRequest): ReportWaiter {
  const { conflict, priority } = waiter;
  return {
    request_id: waiter.requestId,
    id: waiter.allocationId,
    name: waiter.name,
    kind: KINDS[waiter.kind] ?? "",
    priority: priority === ExecutionPriority.UNSPECIFIED ? "" : (ExecutionPriority[priority] ?? ""),
    credits: Number(waiter.wanted?.credits ?? 0),
    waited_ms: Number(waiter.waitedMs),
    position: conflict?.position ?? 0,
    expected_wait_ms: conflict?.expectedWaitMs ?? 0,
    place: waiter.place,
    reason: waiter.reason,
  };
}

function tranchesOf({ priorityBonus, emergencyReserve, wrapUpReserve }: TrancheAmounts): ReportTranches {
  return {
    priority_bonus: Number(priorityBonus),
    emergency_reserve: Number(emergencyReserve),
    wrap_up_reserve: Number(wrapUpReserve),
  };
}

export function booksOf(books: Books | undefined): ReportBooks {
  const amount = (field: Exclude<keyof Books, "$typeName" | "$unknown" | "unlimited">): number =>
    Number(books?.[field] ?? 0);
  return {
    limit: amount("limit"),
    debt: amount("debt"),
    available: amount("available"),
    reserved: amount("reserved"),
    unconfirmed: amount("unconfirmed"),
    granted: amount("granted"),
    in_doubt: amount("inDoubt"),
    spent: amount("spent"),
    overrun: amount("overrun"),
  };
}

/** Whether the equation holds, no term is negative, and nothing is available while something is owed. */
export function isBalanced(books: ReportBooks): boolean {
  const { limit, debt, available, reserved, unconfirmed, granted, in_doubt: inDoubt, spent } = books;
  const terms = [limit, debt, available, reserved, unconfirmed, granted, inDoubt, spent];
  if (terms.some((term) => !Number.isSafeInteger(term) || term < 0)) return false;
  if (debt > 0 && available > 0) return false;
  const sum = [available, reserved, unconfirmed, granted, inDoubt, spent].reduce(
    (total, term) => total + BigInt(term),
    0n,
  );
  return BigInt(limit) + BigInt(debt) === sum;
}

export function isTreeBalanced(node: ReportNode): boolean {
  return isBalanced(node.books) && node.children.every(isTreeBalanced);
}

export function limitsOf(limits: ResourceLimits | undefined): ReportLimits {
  const optional = (key: keyof ReportLimits, amount: bigint | undefined) =>
    amount === undefined ? {} : { [key]: Number(amount) };
  return {
    ...optional("max_credits", limits?.maxCredits),
    ...optional("max_duration_ms", limits?.maxDurationMs),
    ...optional("max_concurrent_branches", limits?.maxConcurrentBranches),
    ...optional("max_memory_bytes", limits?.maxMemoryBytes),
    ...optional("max_tool_calls", limits?.maxToolCalls),
    priority_bonus: Number(limits?.priorityBonus ?? 0),
    emergency_reserve: Number(limits?.emergencyReserve ?? 0),
    wrap_up_reserve: Number(limits?.wrapUpReserve ?? 0),
  };
}

function usageOf(usage: ResourceUsage | undefined): ReportUsage {
  return {
    credits: Number(usage?.credits ?? 0),
    tool_calls: Number(usage?.toolCalls ?? 0),
    overrun_credits: Number(usage?.overrunCredits ?? 0),
    overrun_tool_calls: Number(usage?.overrunToolCalls ?? 0),
    concurrent_branches_peak: Number(usage?.concurrentBranchesPeak ?? 0),
    memory_bytes_peak: Number(usage?.memoryBytesPeak ?? 0),
    network_bytes: Number(usage?.networkBytes ?? 0),
    disk_bytes: Number(usage?.diskBytes ?? 0),
    gpu_ms: Number(usage?.gpuMs ?? 0),
    tools: Object.fromEntries((usage?.tools ?? []).map(({ name, calls }) => [name, Number(calls)])),
  };
}
