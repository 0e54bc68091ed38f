/** A23: whoever holds a grant knows the policies above it: it is told them with the grant, and in the same commit in which they change. */
import type { BudgetEvent } from "#budget";
import { Violation } from "../world/violation.ts";
import type { Ledger, Node } from "./ledger.ts";
import { type Policies, wordsOf } from "./policies.ts";

export class InheritedAudit {
  readonly #ledger: Ledger;
  readonly #policies: Policies;
  #haveChanged = false;

  constructor(ledger: Ledger, policies: Policies) {
    this.#ledger = ledger;
    this.#policies = policies;
  }

  /** To be told every durable event, after the ledger and the policies. */
  read(event: BudgetEvent): void {
    if (event.type === "policy_set") this.#haveChanged = true;
    if (event.type !== "allocation_opened") return;
    const node = this.#ledger.nodes.get(event.allocationId);
    if (node) this.#check(node);
  }

  /** All events of a commit were told. */
  commitEnds(): void {
    if (!this.#haveChanged) return;
    this.#haveChanged = false;
    for (const node of this.#ledger.nodes.values()) this.#check(node);
  }

  #check(node: Node): void {
    if (node.side !== "delegated" || node.state !== "open") return;
    const [told, counts] = [this.#policies.told(node.id), this.#policies.at(node.parent?.id)].map(wordsOf);
    if (told === counts) return;
    const message = `${this.#ledger.owner} ${node.path} (${node.id}): its holder is told ${told}, above it counts ${counts}`;
    throw new Violation("A23.told", message, [node.id, this.#ledger.owner]);
  }
}

interface Side {
  readonly ledger: Ledger;
  readonly policies: Policies;
}

/** When everything has worked for a while: what was told has come. */
export function checkHeard(sides: readonly Side[]): void {
  for (const { ledger, policies } of sides) {
    for (const node of ledger.nodes.values()) {
      if (node.side !== "received" || node.state !== "open" || ledger.lost) continue;
      const giver = sides.find((side) => isGiver(side.ledger.nodes.get(node.id)));
      if (!giver || giver.ledger.lost) continue;
      const [heard, told] = [policies.told(node.id), giver.policies.told(node.id)].map(wordsOf);
      if (heard === told) continue;
      const message = `${ledger.owner} holds ${node.path} (${node.id}) under ${heard}, ${giver.ledger.owner} has long told it ${told}`;
      throw new Violation("A23.heard", message, [node.id, ledger.owner, giver.ledger.owner]);
    }
  }
}

function isGiver(node: Node | undefined): boolean {
  return node?.side === "delegated" && node.state === "open" && !node.inDoubt;
}
