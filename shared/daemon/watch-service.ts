/** WatchService, the same at every tier: a tree and what changes in it, decisions as they are made, and why something is as it is. */
import type { Allocation, BudgetState } from "#budget";
import { parseOrThrow, parseWatchDecisions, parseWatchUsage, parseWhy } from "#codec";
import { RefusalError } from "#errors";
import type { AllocationView } from "#gen/bursar/v1/allocation_pb.js";
import { WatchService } from "#gen/bursar/v1/watch_service_pb.js";
import { bind, type ServiceBinding } from "#rpc";
import { pause } from "./pause.ts";
import { type TreeViewParts, viewTree } from "./tree-view.ts";
import { printOf } from "./view-print.ts";
import { watchDecisions } from "./watch-decisions.ts";
import { why } from "./why.ts";

export function watchService(parts: TreeViewParts): ServiceBinding {
  const startedWallMs = parts.base.clock.wallMs();
  return bind(WatchService, {
    watchDecisions: (request, context) =>
      watchDecisions(parts, parseOrThrow(parseWatchDecisions, request), context.signal),
    why: async (request) => {
      const { subject } = parseOrThrow(parseWhy, request);
      return { daemons: await why({ ...parts, startedWallMs }, subject) };
    },
    async *watchUsage(request, context) {
      const { allocationId, intervalMs, depth } = parseOrThrow(parseWatchUsage, request);
      const tops = (state: BudgetState) => topsOf(state, allocationId);
      const first = await viewTree(parts, { tops, depth });
      if (allocationId !== "" && first.length === 0) {
        throw new RefusalError({ reason: "NOT_FOUND", message: `no allocation with id ${allocationId} is known here` });
      }
      yield { snapshot: true, nodes: first };
      let known = fingerprints(first);
      while (!context.signal.aborted) {
        await pause(parts.base.clock, intervalMs, context.signal);
        if (context.signal.aborted) return;
        const now = flatten(await viewTree(parts, { tops, depth }));
        const current = new Map(now.map((node) => [node.allocationId, printOf(node)]));
        const nodes = now.filter((node) => known.get(node.allocationId) !== current.get(node.allocationId)).map(alone);
        const removedAllocationIds = [...known.keys()].filter((id) => !current.has(id));
        known = current;
        if (nodes.length > 0 || removedAllocationIds.length > 0) yield { snapshot: false, nodes, removedAllocationIds };
      }
    },
  });
}

function topsOf(state: BudgetState, allocationId: string): readonly Allocation[] {
  if (allocationId === "") return [...state.roots];
  const node = state.allocations.get(allocationId);
  return node ? [node] : [];
}

function flatten(nodes: readonly AllocationView[]): AllocationView[] {
  return nodes.flatMap((node) => [node, ...flatten(node.children)]);
}

/** The node without its children. */
function alone(node: AllocationView): AllocationView {
  return { ...node, children: [] };
}

function fingerprints(nodes: readonly AllocationView[]): Map<string, string> {
  return new Map(flatten(nodes).map((node) => [node.allocationId, printOf(node)]));
}
