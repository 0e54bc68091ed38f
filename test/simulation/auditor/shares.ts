/**
 * A13: shares. What a parent that divides by weight grants is there: nothing is granted out of what is only asked back. Nobody is granted less
 * than its minimum, or left less by what is asked back above its share.
 */
import type { BudgetEvent } from "#budget";
import { Violation } from "../world/violation.ts";
import { booksOf } from "./books.ts";
import { type Ledger, type Node, type PerSpendable, SPENDABLE } from "./ledger.ts";

const ASK = "fair-share/";

interface Wish {
  readonly min: PerSpendable;
  readonly max: PerSpendable;
}

export class SharesAudit {
  readonly #ledger: Ledger;
  readonly #wishes = new Map<string, Wish>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** To be told every durable event, after the ledger. */
  read(event: BudgetEvent): void {
    if (!("allocationId" in event)) return;
    const node = this.#ledger.nodes.get(event.allocationId);
    if (!node) return;
    switch (event.type) {
      case "allocation_opened":
        if (event.wish) this.#granted(node, event.wish, event.limits);
        break;
      case "limit_raised":
        if (event.wish) this.#wishes.set(node.id, event.wish);
        if (event.wish && event.effect) this.#isThere(node, event.by);
        break;
      case "limit_lowered":
        this.#lowered(node, event.preemptionId);
        break;
      case "allocation_closed":
        this.#wishes.delete(node.id);
        break;
      default:
    }
  }

  #granted(node: Node, wish: Wish, limits: { readonly credits?: number; readonly toolCalls?: number }): void {
    this.#wishes.set(node.id, wish);
    for (const resource of SPENDABLE) {
      const got = limits[resource] ?? wish.min[resource];
      if (got < wish.min[resource] || got > wish.max[resource]) {
        this.#fail("A13.wish", node, `is granted ${got} ${resource} of ${wish.min[resource]} to ${wish.max[resource]}`);
      }
    }
    this.#isThere(node, { credits: limits.credits ?? 0, toolCalls: limits.toolCalls ?? 0 });
  }

  /** While a node owes nothing is granted there; so if it owes now, more was granted than was there. */
  #isThere({ parent, path }: Node, by: PerSpendable): void {
    if (!parent) return;
    for (const resource of SPENDABLE) {
      if (by[resource] === 0 || parent.unlimited[resource]) continue;
      const { debt } = booksOf(parent, resource);
      if (debt > 0) this.#fail("A13.there", parent, `has ${debt} ${resource} less than it needs for ${path}`);
    }
  }

  #lowered(node: Node, preemptionId: string | undefined): void {
    const wish = this.#wishes.get(node.id);
    if (!wish) return;
    // What is asked of one above it, and through that of this one, is no question of the shares here.
    if (preemptionId?.startsWith(ASK) && !preemptionId.startsWith(`${ASK}${node.id}/`)) return;
    if (preemptionId?.startsWith(ASK)) {
      for (const resource of SPENDABLE) {
        if (node.unlimited[resource] || node.limit[resource] >= wish.min[resource]) continue;
        const words = `is left ${node.limit[resource]} ${resource} of the ${wish.min[resource]} that it needs at least`;
        this.#fail("A13.min", node, words);
      }
      return;
    }
    // What it gives back by itself, or a person takes, it does not need.
    const least = (resource: "credits" | "toolCalls") => Math.min(wish.min[resource], node.limit[resource]);
    this.#wishes.set(node.id, { ...wish, min: { credits: least("credits"), toolCalls: least("toolCalls") } });
  }

  #fail(check: string, node: Node, words: string): never {
    throw new Violation(check, `${this.#ledger.owner} ${node.path}: ${words}`, [node.id, this.#ledger.owner]);
  }
}
