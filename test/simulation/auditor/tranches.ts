/**
 * A21: no reserve is laundered. What is carved inside the credits of a node for HIGH work and above, for CRITICAL work and above, or for its
 * final step, is never granted to others: whatever these hold and have spent together fits beside it, but for overruns. Where a true account
 * has moved spent credits about, nothing is known any more, and a limit that shrank may have taken of the carve.
 */
import type { BudgetEvent } from "#budget";
import { Violation } from "../world/violation.ts";
import { type Ledger, type Node, usageOf } from "./ledger.ts";

const RANKS = ["LOW", "NORMAL", "HIGH", "CRITICAL", "EMERGENCY"];
const HIGH = RANKS.indexOf("HIGH");
const CRITICAL = RANKS.indexOf("CRITICAL");

interface Fact {
  readonly rank: number;
  readonly isFinal: boolean;
  /** What of it is carved; at least so much where the limit has shrunk. */
  readonly carve: { bonus: number; emergency: number; wrapUp: number };
  /** Credits that calls and closed children have spent, by their ranks; not those of final steps. */
  readonly spentBy: number[];
}

type Opened = Extract<BudgetEvent, { type: "allocation_opened" }>;

export class TranchesAudit {
  readonly #ledger: Ledger;
  readonly #facts = new Map<string, Fact>();
  /** Nodes whose spent credits a true account has moved. */
  readonly #unknown = new Set<Node>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** To be told every durable event, after the ledger. */
  read(event: BudgetEvent): void {
    for (const node of this.#ledger.corrected) this.#unknown.add(node);
    switch (event.type) {
      case "allocation_opened":
        this.#opened(event);
        break;
      case "tranches_set":
        Object.assign(this.#facts.get(event.allocationId)?.carve ?? {}, event.carve);
        break;
      case "limit_raised":
        this.#check(this.#ledger.nodes.get(event.allocationId)?.parent);
        break;
      case "limit_lowered":
        this.#lowered(event.allocationId, event.by.credits);
        break;
      case "hold_placed":
        this.#check(this.#ledger.nodes.get(event.allocationId));
        break;
      case "hold_charged":
        if (event.final) this.#called(event.holdId);
        break;
      case "allocation_closed":
        this.#closed(event.allocationId);
        break;
      default:
    }
  }

  #opened({ allocationId, priority, limits, wrapUp }: Opened): void {
    const { priorityBonus = 0, emergencyReserve = 0, wrapUpReserve = 0 } = limits;
    const carve = { bonus: priorityBonus, emergency: emergencyReserve, wrapUp: wrapUpReserve };
    const rank = RANKS.indexOf(priority);
    this.#facts.set(allocationId, { rank, isFinal: wrapUp === true, carve, spentBy: RANKS.map(() => 0) });
    const parent = this.#ledger.nodes.get(allocationId)?.parent;
    if (parent && wrapUp) this.#checkFinalSteps(parent);
    this.#check(parent);
  }

  #lowered(id: string, by: number): void {
    const carve = this.#facts.get(id)?.carve;
    if (!carve) return;
    for (const part of ["bonus", "emergency", "wrapUp"] as const) carve[part] = Math.max(0, carve[part] - by);
  }

  #called(holdId: string): void {
    const call = this.#ledger.calls.get(holdId);
    const fact = call && this.#facts.get(call.at.id);
    if (fact) fact.spentBy[fact.rank] = (fact.spentBy[fact.rank] ?? 0) + call.charged.credits;
  }

  #closed(id: string): void {
    const node = this.#ledger.nodes.get(id);
    const fact = this.#facts.get(id);
    const above = node?.parent && this.#facts.get(node.parent.id);
    if (node && fact && above && !fact.isFinal)
      above.spentBy[fact.rank] = (above.spentBy[fact.rank] ?? 0) + usageOf(node, "credits");
  }

  /** Something has just been granted at the node. */
  #check(node: Node | undefined): void {
    const fact = node && this.#facts.get(node.id);
    if (!node || !fact || node.unlimited.credits || node.side === "delegated" || this.#unknown.has(node)) return;
    const { bonus, emergency, wrapUp } = fact.carve;
    if (bonus + emergency + wrapUp === 0) return;
    const room = node.limit.credits + node.overrun.credits;
    this.#checkBelow(node, HIGH, room - bonus - emergency - wrapUp);
    this.#checkBelow(node, CRITICAL, room - emergency - wrapUp);
    this.#checkBelow(node, RANKS.length, room - wrapUp);
  }

  /** What work of lower rank than this holds and has spent; final steps left out. */
  #checkBelow(node: Node, rank: number, room: number): void {
    const own = this.#facts.get(node.id);
    let taken = 0;
    for (let low = 0; low < rank; low += 1) taken += own?.spentBy[low] ?? 0;
    for (const child of node.children) {
      const fact = this.#facts.get(child.id);
      if (!fact || fact.isFinal || fact.rank >= rank) continue;
      taken += Math.max(child.unlimited.credits ? 0 : child.limit.credits, usageOf(child, "credits"));
    }
    if (own && own.rank < rank)
      for (const { amounts, charged } of node.calls) taken += Math.max(amounts.credits, charged.credits);
    if (taken <= room) return;
    const who = rank === RANKS.length ? "all but its final step" : `work below ${RANKS[rank]}`;
    const message = `${node.path} (${node.id}): ${who} has ${taken} credits, of which it may have ${room}: a reserve is laundered`;
    throw new Violation("A21.laundered", `${this.#ledger.owner} ${message}`, [node.id, this.#ledger.owner]);
  }

  #checkFinalSteps({ id, path, children }: Node): void {
    const open = [...children].filter((child) => this.#facts.get(child.id)?.isFinal);
    if (open.length <= 1) return;
    const message = `${this.#ledger.owner} ${path} (${id}) has ${open.length} final steps at a time`;
    throw new Violation("A21.final-steps", message, [id, this.#ledger.owner]);
  }
}
