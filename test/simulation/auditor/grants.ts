/** A6: the two sides of each grant between daemons, and the leases they hang on. */
import type { BudgetEvent } from "#budget";
import { Violation } from "../world/violation.ts";
import { HELD, type Ledger, type Node, SPENDABLE, usageOf } from "./ledger.ts";
import type { Tree } from "./tree.ts";

/** What a daemon itself counts now; nothing while it is down, or has not yet taken its first turn. */
export interface Counting {
  /** Its engine time. */
  engineTime(owner: string): number | undefined;
  /** Milliseconds that it still counts of the lease of what it holds. */
  leaseLeft(owner: string, allocationId: string): number | undefined;
}

interface Sides {
  parent?: { readonly ledger: Ledger; readonly node: Node };
  child?: { readonly ledger: Ledger; readonly node: Node };
}

export class Grants {
  readonly #sides = new Map<string, Sides>();
  readonly #counting: Counting;

  constructor(counting: Counting) {
    this.#counting = counting;
  }

  opened(ledger: Ledger, node: Node): void {
    if (node.side === "local") return;
    const sides = this.#sides.get(node.id) ?? {};
    this.#sides.set(node.id, sides);
    if (node.side === "delegated") sides.parent = { ledger, node };
    else sides.child = { ledger, node };
  }

  /** The counters of both sides, whenever one of them has changed. */
  check(node: Node): void {
    const { parent, child } = this.#sides.get(node.id) ?? {};
    if (!child) return;
    if (!parent) {
      throw new Violation("A6.unknown-grant", `${child.ledger.owner} holds ${node.path}, which nobody granted`, [
        node.id,
      ]);
    }
    const about = [node.id, parent.ledger.owner, child.ledger.owner];
    const of = `${node.path} (${node.id})`;
    for (const resource of [...SPENDABLE, ...HELD]) {
      const [granted, taken] = [parent.node.granted[resource], child.node.granted[resource]];
      if (taken > granted) {
        const message = `${of} ${resource}: ${child.ledger.owner} counts ${taken} granted, ${parent.ledger.owner} ${granted}`;
        throw new Violation("A6.granted", message, about);
      }
      const [back, returned] = [parent.node.returned[resource], child.node.returned[resource]];
      if (back > returned) {
        const message = `${of} ${resource}: ${parent.ledger.owner} has ${back} back, ${child.ledger.owner} returned ${returned}`;
        throw new Violation("A6.returned", message, about);
      }
    }
    for (const resource of SPENDABLE) {
      const [reported, used] = [parent.node.reported[resource], usageOf(child.node, resource)];
      // What a true account has corrected below is told above a little later.
      if (parent.node.writtenOff || parent.node.corrections < child.node.corrections) continue;
      if (reported <= used) continue;
      const message = `${of} ${resource}: ${parent.ledger.owner} books ${reported} as used, ${child.ledger.owner} has used ${used}`;
      throw new Violation("A6.usage", message, about);
    }
    this.#checkEnd(parent.node, child, about);
  }

  /** What the parent has closed is over below as well: nothing of it can be spent any more. */
  #checkEnd(parent: Node, child: { readonly ledger: Ledger; readonly node: Node }, about: readonly string[]): void {
    if (parent.state !== "closed" || child.node.state === "closed" || parent.writtenOff) return;
    if (!this.#canSpend(child.ledger.owner, child.node)) return;
    const message = `${parent.path} (${parent.id}) is closed and its budget back, ${child.ledger.owner} still holds it (${child.node.state})`;
    throw new Violation("A6.closed", message, about);
  }

  /** It may still reserve, or something of it is in flight. What comes long after its time is taken, but can do no harm. */
  #canSpend(owner: string, node: Node): boolean {
    const isUsed =
      node.calls.size + node.children.size > 0 || SPENDABLE.some((resource) => usageOf(node, resource) > 0);
    return isUsed || (this.#counting.leaseLeft(owner, node.id) ?? 0) > 0;
  }

  /** A3: at the end both sides of every grant tell the same. */
  checkAgreed(): void {
    for (const [id, { parent, child }] of this.#sides) {
      if (!parent || !child || parent.ledger.lost || child.ledger.lost) continue;
      for (const resource of SPENDABLE) {
        const [told, used] = [parent.node.reported[resource], usageOf(child.node, resource)];
        const [back, returned] = [parent.node.returned[resource], child.node.returned[resource]];
        if (told === used && (back === returned || parent.node.corrections + parent.node.epoch > 1)) continue;
        const message = `${parent.node.path} (${id}) ${resource}: ${parent.ledger.owner} ends with ${told} used and ${back} back, ${child.ledger.owner} with ${used} and ${returned}`;
        throw new Violation("A3.sides", message, [id, parent.ledger.owner, child.ledger.owner]);
      }
    }
  }

  /** A parent that gives a lease up: its holder has given it up before, by its own clock. */
  leaseEnds(id: string): void {
    const { parent, child } = this.#sides.get(id) ?? {};
    if (!parent || !child || child.node.state === "closed") return;
    const left = this.#counting.leaseLeft(child.ledger.owner, id) ?? 0;
    if (left <= 0) return;
    const message = `${parent.ledger.owner} gives up the lease of ${child.node.path} (${id}); ${child.ledger.owner} counts ${left} ms more`;
    throw new Violation("A6.lease", message, [id, parent.ledger.owner, child.ledger.owner]);
  }

  /** A holder counts a lease: it must end before its giver gives it up. */
  leaseIsTaken(owner: string, event: BudgetEvent): void {
    const taken = leaseOf(event);
    if (!taken) return;
    const { parent } = this.#sides.get(taken.id) ?? {};
    const own = this.#counting.engineTime(owner);
    const above = parent && this.#counting.engineTime(parent.ledger.owner);
    if (!parent || own === undefined || above === undefined || parent.ledger.owner === owner) return;
    const [left, leftAbove] = [taken.endsAtMs - own, (parent.node.leaseEndsAtMs ?? above) - above];
    const isOver = parent.node.inDoubt || parent.node.state === "closed";
    if (left <= 0 || (left <= leftAbove && !isOver)) return;
    const message = `${owner} counts ${left} ms of lease for ${parent.node.path} (${taken.id}), ${parent.ledger.owner} only ${leftAbove} ms`;
    throw new Violation("A6.lease-outlives", message, [taken.id, owner, parent.ledger.owner]);
  }

  /** Nothing new is spent or given out below a lease that somebody above has given up. */
  newSpending(owner: string, what: string, place: { readonly id: string; readonly tree: Tree }): void {
    for (const { ledger, node } of place.tree.above(place.id)) {
      if (node.side !== "delegated" || ledger.owner === owner || !node.inDoubt) continue;
      const message = `${owner} ${what} below ${node.path} (${node.id}), whose lease ${ledger.owner} has given up`;
      throw new Violation("A6.fence", message, [place.id, node.id, owner, ledger.owner]);
    }
  }
}

/** The lease of a grant from above that an event takes or renews. */
function leaseOf(event: BudgetEvent): { readonly id: string; readonly endsAtMs: number } | undefined {
  if (event.type === "lease_renewed") return { id: event.allocationId, endsAtMs: event.endsAtMs };
  if (event.type !== "allocation_opened" || event.side !== "received") return undefined;
  return event.leaseEndsAtMs === undefined ? undefined : { id: event.allocationId, endsAtMs: event.leaseEndsAtMs };
}
