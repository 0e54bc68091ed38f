/** The tree over all daemons, by the ledgers: who stands above whom, and what was truly spent below each node. */
import { Violation } from "../world/violation.ts";
import type { Ledger, Node, PerSpendable } from "./ledger.ts";
import { SPENDABLE } from "./ledger.ts";

interface Place {
  readonly ledger: Ledger;
  readonly node: Node;
  /** True spending below, as far as it was covered by holds. */
  readonly covered: PerSpendable;
}

export class Tree {
  /** Where each node is carved out of its parent; a top has none. */
  readonly #places = new Map<string, Place>();

  opened(ledger: Ledger, node: Node): void {
    if (node.side === "received") return;
    this.#places.set(node.id, { ledger, node, covered: { credits: 0, toolCalls: 0 } });
  }

  /** The node and all above it, from below, in the books of who carved them. */
  *above(id: string): Iterable<Place> {
    for (let at = this.#places.get(id); at; ) {
      yield at;
      const parent = at.node.parent?.id;
      at = parent === undefined ? undefined : this.#places.get(parent);
    }
  }

  /** A person has given up the node, or one above it, and no true account has come. */
  isWrittenOff(id: string): boolean {
    for (const { node } of this.above(id)) if (node.writtenOff) return true;
    return false;
  }

  /** A2: what was truly spent under cover of holds fits into the limit of every node above. */
  spent(id: string, by: PerSpendable): void {
    for (const { ledger, node, covered } of this.above(id)) {
      for (const resource of SPENDABLE) {
        covered[resource] += by[resource];
        const limit = node.limit[resource];
        if (node.unlimited[resource] || covered[resource] <= limit) continue;
        const message = `${node.path}: workers spent ${covered[resource]} ${resource} within their holds, its limit is ${limit}`;
        throw new Violation("A2.overspend", message, [node.id, id, ledger.owner]);
      }
    }
  }
}
