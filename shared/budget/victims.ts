/**
 * What is kept of those who may have to give way, beside the tree: since when they wait, and when they were preempted; only where that says
 * more than the allocation itself. And, for nodes that preempt, an index of their open children: it follows from the tree, is built when it
 * is first needed, and is no part of what is restored.
 */
import { LIMITS } from "#std";
import { type Indexed, VictimIndex } from "./strategies/victim-plan-index.ts";

/** Times of engine time; what is absent is not known, or has not happened. */
export interface History {
  /** When its request first arrived, when that was before it was opened. */
  readonly arrivedAtMs?: number;
  /** When it, or what it is the next attempt of, was last paused or stopped; since it went on after a pause: when it did. */
  readonly preemptedAtMs?: number;
}

export const NO_HISTORY: History = Object.freeze({});

/** An allocation, as far as this goes by it. */
interface Standing<N> extends Indexed {
  readonly state: string;
  readonly parent: N | undefined;
  readonly children: Iterable<N>;
}

export class Victims<N extends Standing<N>> {
  readonly #histories = new Map<string, History>();
  readonly #indexes = new Map<N, VictimIndex<N>>();

  historyOf(allocationId: string): History | undefined {
    return this.#histories.get(allocationId);
  }

  /** The latest are kept. */
  remember(allocationId: string, history: History): void {
    this.#histories.delete(allocationId);
    this.#histories.set(allocationId, history);
    if (this.#histories.size <= LIMITS.preemptedKeptMax) return;
    const [oldest = allocationId] = this.#histories.keys();
    this.#histories.delete(oldest);
  }

  /** It goes on after a pause for the sake of others: the cool-down counts from now. */
  wentOn(allocationId: string, atMs: number): void {
    const history = this.#histories.get(allocationId);
    if (history?.preemptedAtMs !== undefined) this.remember(allocationId, { ...history, preemptedAtMs: atMs });
  }

  forget(allocationId: string): void {
    this.#histories.delete(allocationId);
  }

  histories(): [string, History][] {
    return [...this.#histories];
  }

  /** The open children of the node. */
  under(node: N): VictimIndex<N> {
    const known = this.#indexes.get(node);
    if (known) return known;
    const index = new VictimIndex<N>();
    for (const child of node.children) if (child.state === "open") index.add(child);
    this.#indexes.set(node, index);
    return index;
  }

  opened(node: N): void {
    if (this.#indexes.size > 0 && node.parent) this.#indexes.get(node.parent)?.add(node);
  }

  closing(node: N): void {
    if (this.#indexes.size === 0) return;
    if (node.parent) this.#indexes.get(node.parent)?.remove(node);
    this.#indexes.delete(node);
  }

  /** What is kept only while it is open. */
  closed({ id }: N): void {
    if (this.#histories.size > 0 && this.#histories.get(id)?.preemptedAtMs === undefined) this.#histories.delete(id);
  }
}
