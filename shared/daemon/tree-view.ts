/**
 * The tree as it can be seen from here: this daemon's nodes by its own journal, and below grants to other daemons what those daemons
 * show at this moment. A daemon that does not answer in time leaves its part out.
 */
import { type Allocation, type BudgetState, waitingAt } from "#budget";
import { type InsideView, viewOf, waitingToProto } from "#codec";
import type { AllocationView } from "#gen/bursar/v1/allocation_pb.js";
import { WatchService } from "#gen/bursar/v1/watch_service_pb.js";
import { LIMITS } from "#std";
import type { Downlink } from "#tier";
import type { DaemonBase } from "./base.ts";
import type { Peers } from "./peers.ts";

export interface TreeViewParts {
  readonly base: DaemonBase;
  /** Absent at execution, which grants nothing further. */
  readonly downlink?: Downlink;
  readonly peers?: Peers;
  /** How the work of an allocation ended, where this daemon knows. */
  readonly outcomeOf?: (node: Allocation) => string | undefined;
  /** The inside of a delegated allocation that is closed, where it was kept. */
  readonly keptInside?: (allocationId: string) => AllocationView[] | undefined;
}

export interface TreeRequest {
  /** The nodes at the top; answers undefined where nothing fits. */
  readonly tops: (state: BudgetState) => readonly Allocation[];
  /** Levels below; 0 means all. */
  readonly depth: number;
}

interface Outside {
  readonly allocationId: string;
  readonly holder: string;
  /** Levels to show below it; 0 means all. */
  readonly depth: number;
}

/** The views of the tops, each with its tree. */
export async function viewTree(parts: TreeViewParts, { tops, depth }: TreeRequest): Promise<AllocationView[]> {
  const { loop } = parts.base;
  const outside = await loop.read((state) =>
    tops(state).flatMap((node) => delegatedBelow(node, depth === 0 ? LIMITS.treeDepthMax : depth, depth === 0)),
  );
  const inside = new Map(
    await Promise.all(outside.slice(0, LIMITS.outsideViewsMax).map((part) => insideOf(parts, part))),
  );
  return loop.read((state, nowMs) =>
    tops(state).map((node) =>
      viewOf(node, {
        depth,
        nowMs,
        outcome: (child) => parts.outcomeOf?.(child) ?? "",
        access: (child) => state.names.heldBy(child),
        waiters: (child, max) => {
          const listed = Math.min(max, LIMITS.viewNodeWaitersMax);
          return waitingAt(state, child, { nowMs, listed, servedEveryMs: loop.decisions.servedEvery(nowMs) }).map(
            waitingToProto,
          );
        },
        graft: (child) => inside.get(child.id) ?? kept(parts.keptInside?.(child.id)),
      }),
    ),
  );
}

/** Nobody waits in what is closed. */
function kept(children: AllocationView[] | undefined): InsideView | undefined {
  return children && { children, waiting: 0, waiters: [] };
}

function delegatedBelow(node: Allocation, left: number, all: boolean): Outside[] {
  if (left === 0 || node.state === "closed") return [];
  if (node.side === "delegated") {
    return node.peer === undefined ? [] : [{ allocationId: node.id, holder: node.peer, depth: all ? 0 : left }];
  }
  return [...node.children].flatMap((child) => delegatedBelow(child, left - 1, all));
}

async function insideOf(
  parts: TreeViewParts,
  { allocationId, holder, depth }: Outside,
): Promise<readonly [string, InsideView | undefined]> {
  const child = parts.downlink?.child(holder);
  if (!child || !parts.peers) return [allocationId, undefined];
  const abort = new AbortController();
  const cancel = parts.base.clock.after(LIMITS.viewWaitMs, () => abort.abort());
  try {
    const watch = parts.peers
      .at(child.address)
      .client(WatchService)
      .watchUsage({ allocationId, depth }, { signal: abort.signal });
    for await (const { nodes } of watch) return [allocationId, nodes[0]];
  } catch (error) {
    parts.base.log.info({ err: error, allocationId, holder }, "a part of the tree could not be seen");
  } finally {
    cancel();
    abort.abort();
  }
  return [allocationId, undefined];
}
