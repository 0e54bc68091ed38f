/**
 * Where a policy is tried beside the one in force, and what is kept to decide by it quickly: the queue as it would stand, and the shares as
 * they would be. Indexes alone: all of it follows from the tree and from those who wait, is built when it is first needed and kept in step by
 * evolve.
 */
import type { ShadowPolicy } from "./policy.ts";

/** An allocation, as far as this goes by it. */
interface Standing {
  readonly state: string;
  readonly policy: { readonly shadow?: ShadowPolicy };
}

export class Shadows<N extends Standing> {
  readonly #nodes = new Set<N>();
  /** Those who wait, where they would wait in another order: WaitQueues. */
  readonly queues = new Map<N, object>();
  /** Nodes that would divide by weight, and do not: SharedNodes. */
  readonly shared = new Map<N, object>();

  /** Whether no policy is tried anywhere. */
  get none(): boolean {
    return this.#nodes.size === 0;
  }

  /** The allocation is there, with its policy. */
  opened(node: N): void {
    if (node.policy.shadow !== undefined && node.state !== "closed") this.#nodes.add(node);
  }

  policySet(node: N): void {
    this.#nodes.delete(node);
    this.opened(node);
    // Whose policies come from there nobody keeps: all is built anew when it is next asked for.
    this.queues.clear();
    this.shared.clear();
  }

  closed(node: N): void {
    if (this.none) return;
    this.#nodes.delete(node);
    this.queues.delete(node);
    this.shared.delete(node);
  }
}
