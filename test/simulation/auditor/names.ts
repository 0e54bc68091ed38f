/**
 * A16: a name that one allocation holds alone is nobody else's, but of those below it, while that one is open; nor is a tool of that name
 * called by others under the same top. Who came later does not take it before one who waits for it at the same node: under QUEUE_AND_WAIT
 * never, elsewhere when that one is also more important.
 */
import type { BudgetEvent, Policy } from "#budget";
import { Violation } from "../world/violation.ts";
import type { Ledger, Node } from "./ledger.ts";

const RANKS = ["LOW", "NORMAL", "HIGH", "CRITICAL", "EMERGENCY"];

type Opened = Extract<BudgetEvent, { type: "allocation_opened" }>;
type Queued = Extract<BudgetEvent, { type: "request_queued" }>;
type Names = NonNullable<Opened["access"]>;

interface Waiting {
  readonly at: string;
  readonly rank: number;
  readonly arrivedAtMs: number;
  readonly names: Names;
}

export class NamesAudit {
  readonly #ledger: Ledger;
  /** Of nodes that are not closed. */
  readonly #held = new Map<Node, Names>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #strategies = new Map<string, Policy["strategy"]>();
  #leaving: { readonly key: string; readonly arrivedAtMs: number } | undefined;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** To be told every durable event, after the ledger. */
  read(event: BudgetEvent): void {
    switch (event.type) {
      case "allocation_opened":
        this.#strategies.set(event.allocationId, event.policy.strategy ?? event.policy.inherited?.strategy);
        this.#opened(event);
        break;
      case "policy_set":
        this.#strategies.set(event.allocationId, event.policy.strategy ?? event.policy.inherited?.strategy);
        break;
      case "allocation_closed":
        for (const node of this.#held.keys()) if (node.id === event.allocationId) this.#held.delete(node);
        break;
      case "request_queued":
        this.#queued(event);
        break;
      case "request_dequeued": {
        const waiting = this.#waiting.get(event.effectKey);
        this.#leaving = waiting && { key: event.effectKey, arrivedAtMs: waiting.arrivedAtMs };
        this.#waiting.delete(event.effectKey);
        break;
      }
      case "hold_placed":
        if (event.what === "tool") this.#called(event.allocationId, event.name);
        break;
      default:
    }
  }

  #queued({ effectKey, parentId: at, request, atMs }: Queued): void {
    if (request.type !== "open" || !request.access) return;
    const { access: names, priority, arrivedAtMs = atMs } = request;
    this.#waiting.set(effectKey, { at, rank: RANKS.indexOf(priority), arrivedAtMs, names });
  }

  #opened(event: Opened): void {
    const node = this.#ledger.nodes.get(event.allocationId);
    if (!node || !event.access) return;
    for (const [other, names] of this.#held) {
      if (topOf(other) !== topOf(node) || isBelow(node, other)) continue;
      const name = inDispute(event.access, names);
      if (name === undefined) continue;
      const message = `${this.#ledger.owner}: ${node.path} (${node.id}) is opened with ${name}, which ${other.path} (${other.id}) holds, one of them alone`;
      throw new Violation("A16.name", message, [node.id, other.id, this.#ledger.owner]);
    }
    this.#inTurn(node, event, event.access);
    this.#held.set(node, event.access);
  }

  #inTurn(node: Node, { effect, atMs, priority }: Opened, names: Names): void {
    const arrivedAtMs = this.#leaving?.key === effect?.key ? (this.#leaving?.arrivedAtMs ?? atMs) : atMs;
    const isByArrival = node.parent !== undefined && this.#strategyAt(node.parent) === "QUEUE_AND_WAIT";
    for (const [key, waiting] of this.#waiting) {
      const isFirst = isByArrival || waiting.rank > RANKS.indexOf(priority);
      if (waiting.at !== node.parent?.id || waiting.arrivedAtMs >= arrivedAtMs || !isFirst) continue;
      const name = inDispute(names, waiting.names);
      if (name === undefined) continue;
      const message = `${this.#ledger.owner}: ${node.path} (${node.id}) has ${name} before ${JSON.stringify(key)}, which waits for it since ${waiting.arrivedAtMs} and has its turn before`;
      throw new Violation("A16.turn", message, [node.id, this.#ledger.owner]);
    }
  }

  #strategyAt(node: Node): Policy["strategy"] {
    for (let at: Node | undefined = node; at; at = at.parent) {
      const strategy = this.#strategies.get(at.id);
      if (strategy !== undefined) return strategy;
    }
    return undefined;
  }

  #called(id: string, name: string): void {
    const node = this.#ledger.nodes.get(id);
    if (!node) return;
    for (const [other, names] of this.#held) {
      const alone = names.some((one) => one.name === name && one.mode === "EXCLUSIVE");
      if (!alone || topOf(other) !== topOf(node) || isBelow(node, other)) continue;
      const message = `${this.#ledger.owner}: ${node.path} calls ${name}, which ${other.path} (${other.id}) holds alone`;
      throw new Violation("A16.call", message, [node.id, other.id, this.#ledger.owner]);
    }
  }
}

function topOf(node: Node): Node {
  return node.parent ? topOf(node.parent) : node;
}

function isBelow(node: Node, above: Node): boolean {
  return node === above || (node.parent !== undefined && isBelow(node.parent, above));
}

/** A name that both want, at least one of them alone. */
function inDispute(a: Names, b: Names): string | undefined {
  return a.find((one) =>
    b.some(({ name, mode }) => name === one.name && (mode === "EXCLUSIVE" || one.mode === "EXCLUSIVE")),
  )?.name;
}
