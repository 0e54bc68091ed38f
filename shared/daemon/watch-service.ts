/** WatchService, the same at every tier: a snapshot of a tree, then what changed, at the chosen interval. */
import { toBinary } from "@bufbuild/protobuf";
import type { Allocation, BudgetState } from "#budget";
import { parseOrThrow, parseWatchUsage } from "#codec";
import { RefusalError } from "#errors";
import { type AllocationView, AllocationViewSchema } from "#gen/bursar/v1/allocation_pb.js";
import { WatchService } from "#gen/bursar/v1/watch_service_pb.js";
import { bind, type ServiceBinding } from "#rpc";
import { pause } from "./pause.ts";
import { type TreeViewParts, viewTree } from "./tree-view.ts";

export function watchService(parts: TreeViewParts): ServiceBinding {
  return bind(WatchService, {
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

/** The node without its children, and without what changes by itself as time passes. */
function alone(node: AllocationView): AllocationView {
  return { ...node, children: [] };
}

function printOf(node: AllocationView): string {
  const { deadlineLeftMs, ...rest } = alone(node);
  return Buffer.from(toBinary(AllocationViewSchema, rest as AllocationView)).toString("base64");
}

function fingerprints(nodes: readonly AllocationView[]): Map<string, string> {
  return new Map(flatten(nodes).map((node) => [node.allocationId, printOf(node)]));
}
