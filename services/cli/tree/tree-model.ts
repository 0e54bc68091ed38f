/** The tree as WatchUsage tells it: nested at first, then node by node. */
import type { AllocationView } from "#gen/bursar/v1/allocation_pb.js";
import type { WatchUsageResponse } from "#gen/bursar/v1/watch_service_pb.js";
import { nodeOf, type ReportNode } from "../view/report.ts";

interface Entry {
  view: AllocationView;
  readonly parentId: string;
}

export class TreeModel {
  /** In the order in which they were first seen. */
  readonly #entries = new Map<string, Entry>();

  /** True until the first node has been seen. */
  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** Takes one answer. Returns the nodes that are new or changed, without their children. */
  apply({ snapshot, nodes, removedAllocationIds }: WatchUsageResponse): ReportNode[] {
    if (snapshot) this.#entries.clear();
    for (const id of removedAllocationIds) this.#entries.delete(id);
    return nodes.flatMap((node) => this.#take(node, node.parentId));
  }

  /** The nodes at the top, with everything below them. */
  roots(): ReportNode[] {
    const byParent = new Map<string, AllocationView[]>();
    for (const { view, parentId } of this.#entries.values()) {
      const parent = this.#entries.has(parentId) ? parentId : "";
      const siblings = byParent.get(parent);
      if (siblings === undefined) byParent.set(parent, [view]);
      else siblings.push(view);
    }
    const below = (id: string): ReportNode[] =>
      (byParent.get(id) ?? []).map((view) => ({ ...nodeOf(view), children: below(view.allocationId) }));
    return below("");
  }

  #take(view: AllocationView, parentId: string): ReportNode[] {
    const bare = { ...view, children: [] };
    const known = this.#entries.get(view.allocationId);
    if (known === undefined) this.#entries.set(view.allocationId, { view: bare, parentId });
    else known.view = bare;
    return [nodeOf(bare), ...view.children.flatMap((child) => this.#take(child, view.allocationId))];
  }
}
