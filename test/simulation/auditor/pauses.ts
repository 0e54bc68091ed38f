/**
 * A11, from the events alone: while a pause stands at a node nothing new is begun at it or below it; whoever is held elsewhere below is told
 * of it in the same commit, and of its end too; and no call outlives the grace of a stop.
 */
import type { BudgetEvent } from "#budget";
import { LIMITS } from "#std";
import { Violation } from "../world/violation.ts";
import type { Ledger, Node } from "./ledger.ts";

interface Pause {
  readonly node: Node;
  readonly preemptionId: string;
  /** Keys of the pauses that it led to below. */
  below: readonly string[] | undefined;
}

const keyOf = (node: Node, preemptionId: string) => `${node.id}\n${preemptionId}`;

export class Pauses {
  readonly #ledger: Ledger;
  readonly #standing = new Map<string, Pause>();
  /** Nodes that are being stopped, and when force is over. */
  readonly #forced = new Map<Node, number>();
  #begun: Pause[] = [];
  #ended: Pause[] = [];

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** To be told each event when it is durable, and has been booked. */
  read(event: BudgetEvent): void {
    if (event.type === "reclaim_requested") this.#request(event);
    else if (event.type === "reclaim_ended") this.#end(event.allocationId, event.preemptionId);
    else if (event.type === "allocation_opened") this.#isFree(this.#node(event.allocationId)?.parent, event.type);
    else if (event.type === "hold_placed") this.#isFree(this.#node(event.allocationId), event.type);
    else if (event.type === "hold_extended") this.#isInGrace(event.holdId, event.expiresAtMs);
    else if (event.type === "allocation_closed") this.#close(this.#node(event.allocationId));
  }

  /** All events of a commit were told. */
  commitEnds(): void {
    const [begun, ended] = [this.#begun, this.#ended];
    this.#begun = [];
    this.#ended = [];
    for (const pause of begun) if (this.#stands(pause)) this.#toldBelow(pause, begun);
    for (const pause of ended) {
      const left = (pause.below ?? []).find((key) => this.#standing.has(key));
      if (left !== undefined) this.#fail("A11.over", `goes on, and below it the pause ${left} stands`, pause.node);
    }
  }

  #node(id: string): Node | undefined {
    return this.#ledger.nodes.get(id);
  }

  #stands({ node, preemptionId }: Pause): boolean {
    return node.state === "open" && this.#standing.has(keyOf(node, preemptionId));
  }

  #request({
    allocationId,
    preemptionId,
    mode,
    graceMs = 0,
    atMs,
  }: Extract<BudgetEvent, { type: "reclaim_requested" }>) {
    const node = this.#node(allocationId);
    if (!node) return;
    if (mode === "STOP") this.#forced.set(node, atMs + graceMs + LIMITS.stopSettleMs);
    const key = keyOf(node, preemptionId);
    if (mode !== "PAUSE" || this.#standing.has(key)) return;
    const pause: Pause = { node, preemptionId, below: undefined };
    this.#standing.set(key, pause);
    this.#begun.push(pause);
  }

  #end(allocationId: string, preemptionId: string): void {
    const node = this.#node(allocationId);
    const pause = node && this.#standing.get(keyOf(node, preemptionId));
    if (!pause) return;
    this.#standing.delete(keyOf(pause.node, preemptionId));
    if (pause.node.state === "open") this.#ended.push(pause);
  }

  #close(node: Node | undefined): void {
    for (const [key, pause] of this.#standing) if (pause.node === node) this.#standing.delete(key);
    if (node) this.#forced.delete(node);
  }

  #isFree(node: Node | undefined, what: string): void {
    for (let at = node; at; at = at.parent) {
      const pause = [...this.#standing.values()].find((one) => one.node === at);
      if (pause) this.#fail("A11.paused", `stands still by ${pause.preemptionId}, and has ${what} below it`, at);
    }
  }

  /** Every open node below that another daemon holds was paused in the same commit. */
  #toldBelow(pause: Pause, begun: readonly Pause[]): void {
    const below = this.#heldElsewhere(pause.node).filter(({ state }) => state === "open");
    const told = begun.filter(({ node }) => below.includes(node));
    const missing = below.find((node) => !told.some((one) => one.node === node));
    if (missing) this.#fail("A11.told", `is paused, and ${missing.path} below it is not told`, pause.node);
    pause.below = told.map(({ node, preemptionId }) => keyOf(node, preemptionId));
  }

  #heldElsewhere(node: Node): Node[] {
    if (node.side === "delegated") return [];
    return [...node.children].flatMap((child) => (child.side === "delegated" ? [child] : this.#heldElsewhere(child)));
  }

  #isInGrace(holdId: string, expiresAtMs: number): void {
    for (let at: Node | undefined = this.#ledger.calls.get(holdId)?.at; at; at = at.parent) {
      const latest = this.#forced.get(at) ?? Number.POSITIVE_INFINITY;
      if (expiresAtMs > latest)
        this.#fail("A11.grace", `is stopped by ${latest}, and ${holdId} lives to ${expiresAtMs}`, at);
    }
  }

  #fail(check: string, what: string, { id, path }: Node): never {
    throw new Violation(check, `${this.#ledger.owner} ${path} (${id}) ${what}`, [id, this.#ledger.owner]);
  }
}
