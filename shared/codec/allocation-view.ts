/** A node of the tree as its owner shows it: limits, books, usage, and what stands below it. */
import {
  type Access,
  type Allocation,
  type Amounts,
  type Limits,
  lowPercentOf,
  NO_PARTS,
  NO_TRANCHES,
  pausedBy,
  usageOf,
} from "#budget";
import {
  AllocationState,
  type AllocationView,
  type TrancheStanding,
  type WaitingRequest,
} from "#gen/bursar/v1/allocation_pb.js";
import { LIMITS } from "#std";
import { allocationKinds, allocationStates, priorities } from "./enum-names.ts";
import { limitsToProto, partsMessage } from "./messages/amounts.ts";
import { accessMessage } from "./messages/named-access.ts";
import { booksToProto, heldBooksToProto, usageToProto } from "./messages/usage.ts";

export interface ViewOptions {
  /** Levels below the node to show, as requests state it; 0 means all of them. Default 0. */
  readonly depth?: number;
  /** Nodes to show at most, the node itself included. Default LIMITS.watchNodesMax, which fits into one message. */
  readonly nodesMax?: number;
  /** Engine time now; deadlines are shown as the time that is left. */
  readonly nowMs: number;
  /** How the work of a node ended: "succeeded", "failed", "stopped"; empty while it goes on. Default: always empty. */
  readonly outcome?: (node: Allocation) => string;
  /** Names of tools and resources that a node holds. Default: none. */
  readonly access?: (node: Allocation) => readonly Access[] | undefined;
  /** The first who wait for room at a node, at most `max`. Default: none. */
  readonly waiters?: (node: Allocation, max: number) => WaitingRequest[];
  /** The inside of a node whose books another daemon keeps, as that daemon last showed it. Default: none. */
  readonly graft?: (node: Allocation) => InsideView | undefined;
}

/** What stands inside a node: its children, and who waits for room in it. */
export type InsideView = Pick<AllocationView, "children" | "waiting" | "waiters">;

/** The view of `node` and, as deep as was asked for, of its open children and then its closed ones, each in order of opening or end. */
export function viewOf(node: Allocation, options: ViewOptions): AllocationView {
  const { depth = 0 } = options;
  const room: Room = { left: options.nodesMax ?? LIMITS.watchNodesMax, waiters: LIMITS.viewWaitersMax };
  return nodeView(node, depth === 0 ? Number.POSITIVE_INFINITY : depth, { options, room });
}

/** How much the view may still show, nodes and requests that wait: what does not fit is left out, and counts tell how many there are. */
interface Room {
  left: number;
  waiters: number;
}

interface Showing {
  readonly options: ViewOptions;
  readonly room: Room;
}

/** `levels` below the node; 0 shows it alone. */
function nodeView(node: Allocation, levels: number, showing: Showing): AllocationView {
  const { options, room } = showing;
  room.left -= 1;
  const { books, held, state, deadlineAtMs } = node;
  const inside = node.side === "delegated" ? options.graft?.(node) : undefined;
  const pause = state === "open" ? pausedBy(node) : undefined;
  const view: AllocationView = {
    $typeName: "bursar.v1.AllocationView",
    allocationId: node.id,
    parentId: node.parent?.id ?? "",
    name: node.name,
    path: node.path,
    kind: allocationKinds.numberOf[node.kind],
    state: pause ? AllocationState.PAUSED : allocationStates.numberOf[state],
    reason: state === "open" ? (pause?.reclaim.reason ?? "") : (node.closingReason ?? ""),
    priority: priorities.numberOf[node.priority],
    limits: limitsToProto(grantedLimits(node)),
    credits: booksToProto(books.credits),
    toolCalls: booksToProto(books.toolCalls),
    concurrentBranches: heldBooksToProto(held.branches),
    memoryBytes: heldBooksToProto(held.memoryBytes),
    usage: usageToProto(usageOf(node)),
    holder: node.side === "delegated" ? (node.peer ?? "") : "",
    epoch: BigInt(node.epoch),
    inDoubt: node.doubtful,
    outcome: options.outcome?.(node) ?? "",
    children: [],
    openChildren: node.children.size,
    waiting: inside?.waiting ?? node.waiters.size,
    waiters: waitersOf(node, inside, showing),
    reclaimPendingCredits: pendingCredits(node),
    writtenOffCredits: BigInt(node.writtenOff.credits),
    writtenOffToolCalls: BigInt(node.writtenOff.toolCalls),
    lowBudgetPercent: Math.max(lowPercentOf(node, "credits"), lowPercentOf(node, "toolCalls")),
  };
  if (levels > 0)
    view.children = inside ? cutAll(inside.children, levels - 1, room) : childrenOf(node, levels - 1, showing);
  const tranches = trancheStanding(node);
  if (tranches) view.tranches = tranches;
  const access = options.access?.(node);
  if (access) view.access = accessMessage(access);
  const { leaseEndsAtMs } = node;
  if (leaseEndsAtMs !== undefined && state !== "closed") {
    view.leaseLeftMs = BigInt(Math.max(0, Math.floor(leaseEndsAtMs - options.nowMs)));
  }
  if (deadlineAtMs !== undefined) view.deadlineLeftMs = BigInt(Math.max(0, Math.floor(deadlineAtMs - options.nowMs)));
  return view;
}

/** Undefined where it carves nothing and has drawn nothing of what its parent carves. */
function trancheStanding(node: Allocation): TrancheStanding | undefined {
  const { tranches } = node;
  const above = node.parent?.tranches ?? NO_TRANCHES;
  const drawn = above.madeUpOf(node);
  const wrapUp = above.finalStep === node;
  if (tranches === NO_TRANCHES && drawn === NO_PARTS && !wrapUp) return undefined;
  return {
    $typeName: "bursar.v1.TrancheStanding",
    ...(tranches !== NO_TRANCHES && { left: partsMessage(tranches.left) }),
    ...(drawn !== NO_PARTS && { makeUp: partsMessage(drawn) }),
    wrapUp,
  };
}

function waitersOf(node: Allocation, inside: InsideView | undefined, { options, room }: Showing): WaitingRequest[] {
  if (room.waiters <= 0) return [];
  const shown = inside
    ? inside.waiters.slice(0, room.waiters)
    : node.waiters.size === 0
      ? []
      : (options.waiters?.(node, room.waiters) ?? []);
  room.waiters -= shown.length;
  return shown;
}

function childrenOf(node: Allocation, levels: number, showing: Showing): AllocationView[] {
  const { room } = showing;
  const children: AllocationView[] = [];
  for (const siblings of [node.children, node.closedChildren]) {
    for (const child of siblings) {
      if (room.left <= 0) return children;
      children.push(nodeView(child, levels, showing));
    }
  }
  return children;
}

/** Views from another daemon, no deeper than was asked for and no more than there is room for. */
function cutAll(views: readonly AllocationView[], levels: number, room: Room): AllocationView[] {
  const cut: AllocationView[] = [];
  for (const view of views) {
    if (room.left <= 0) return cut;
    room.left -= 1;
    const waiters = view.waiters.slice(0, room.waiters);
    room.waiters -= waiters.length;
    const children = levels > 0 ? cutAll(view.children, levels - 1, room) : [];
    cut.push({ ...view, children, waiters });
  }
  return cut;
}

/** What the node was granted in total, returns not taken off; what is not limited, or drawn from above as needed, is absent. */
function grantedLimits(node: Allocation): Limits {
  const { books, held, deadlineAtMs, openedAtMs, priorityBonus, emergencyReserve, wrapUpReserve } = node;
  const granted: Amounts = node.grantedTotal;
  return {
    ...(books.credits.elastic || node.pooled.includes("credits") ? {} : { credits: granted.credits }),
    ...(books.toolCalls.elastic || node.pooled.includes("toolCalls") ? {} : { toolCalls: granted.toolCalls }),
    ...(held.branches.elastic ? {} : { branches: granted.branches }),
    ...(held.memoryBytes.elastic ? {} : { memoryBytes: granted.memoryBytes }),
    ...(deadlineAtMs === undefined ? {} : { durationMs: Math.max(0, deadlineAtMs - openedAtMs) }),
    priorityBonus,
    emergencyReserve,
    wrapUpReserve,
  };
}

function pendingCredits(node: Allocation): bigint {
  let pending = 0n;
  for (const { wanted, reclaimed } of node.reclaims.values()) {
    pending += BigInt(Math.max(0, wanted.credits - reclaimed.credits));
  }
  return pending;
}
