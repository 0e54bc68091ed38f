/** Children of a node that divides by weight, in virtual time: holders that give what they are asked for as far as they have not used it. */
import { assert } from "#std";
import { pendingOf } from "./reclaim.ts";
import { type Amounts, addAmounts, amountsOf, leastAmounts, monusAmounts, NOTHING } from "./resource.ts";
import { type Opening, Scenario, usage } from "./scenario.test-support.ts";
import type { Allocation } from "./state.ts";

export const SHARING = { strategy: "PROPORTIONAL_SHARING" } as const;

export class SharingWorld {
  readonly s = new Scenario();
  readonly #used = new Map<string, number>();
  #sequence = 0;

  /** A wish of a holder elsewhere for credits, of which less will do. */
  wish(
    parent: string,
    credits: number,
    { min = 0, ...opening }: Omit<Opening, "min" | "limits"> & { min?: number } = {},
  ) {
    const held = { kind: "run", holder: "holder", caller: "holder", ...opening } as const;
    return this.s.openWish(parent, { ...held, limits: { credits }, min: { credits: min } });
  }

  /** Opens what must be granted. */
  open(parent: string, credits: number, opening: Parameters<SharingWorld["wish"]>[2] = {}): string {
    const outcome = this.s.grant(this.wish(parent, credits, opening));
    assert(outcome.type === "opened", `expected a grant, got ${JSON.stringify(outcome)}`);
    return outcome.allocationId;
  }

  limit(id: string): number {
    return this.s.node(id).books.credits.limit;
  }

  /** The holder uses so much more, and says so. */
  spend(id: string, credits: number): void {
    const used = (this.#used.get(id) ?? 0) + credits;
    this.#used.set(id, used);
    this.#report(id, false);
  }

  finish(id: string): void {
    this.#report(id, true);
  }

  #report(id: string, final: boolean): void {
    this.#sequence += 1;
    this.s.report(id, this.#sequence, usage({ credits: this.#used.get(id) ?? 0 }), { final });
  }

  /** What the holder was asked for and can give. */
  owes(id: string): Amounts {
    const node = this.s.node(id);
    let owed = NOTHING;
    for (const reclaim of node.reclaims.values()) owed = addAmounts(owed, pendingOf(reclaim));
    const { limit, usage: used } = node.books.credits;
    return leastAmounts(owed, monusAmounts(amountsOf({ credits: limit }), amountsOf({ credits: used })));
  }

  /** The holder gives what it was asked for; false when that is nothing. */
  give(id: string): boolean {
    const node = this.s.node(id);
    const owed = this.owes(id);
    if (owed.credits === 0) return false;
    const returnedTotal = addAmounts(node.returnedTotal, owed);
    this.s.ask({ type: "receive_return", caller: "holder", allocationId: id, epoch: node.epoch, returnedTotal });
    return true;
  }

  /** All holders give until nothing is asked for any more. */
  settle(): void {
    for (let round = 0; round < 1_000; round += 1) {
      const gave = this.openNodes().filter(({ id }) => this.give(id));
      if (gave.length === 0) return;
    }
    assert(false, "asking back does not come to an end");
  }

  openNodes(): Allocation[] {
    return [...this.s.state.allocations.values()].filter(({ side, state }) => side === "delegated" && state === "open");
  }
}
