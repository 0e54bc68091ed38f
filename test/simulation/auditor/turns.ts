/**
 * A10: the order of those who wait. Whoever is granted something at a node leaves, of what a request needs that waits there and has its turn
 * surely before, as much as that one needs at least. Surely before is, under QUEUE_AND_WAIT, whoever came earlier (in credits and tool calls:
 * slots and memory may be lent out for a while); under PRIORITY_BASED, whoever came earlier than the bound of aging allows to be overtaken.
 */
import type { BudgetEvent, GrantWish, Policy } from "#budget";
import { Violation } from "../world/violation.ts";
import { booksOf, heldInUse } from "./books.ts";
import { type Every, HELD, type Ledger, type Node, type PerResource, SPENDABLE } from "./ledger.ts";

const RANKS = ["LOW", "NORMAL", "HIGH", "CRITICAL", "EMERGENCY"];
const HIGHEST = RANKS.length - 1;
const USUAL_STEP_MS = 60_000;

interface Fact {
  readonly rank: number;
  readonly parentId: string | undefined;
  policy: Policy;
}

interface Waiting {
  readonly key: string;
  readonly at: string;
  readonly rank: number;
  readonly arrivedAtMs: number;
  readonly needs: PerResource;
  /** It waits for names or a reservation: what it needs is not kept for it as long as it cannot have these. */
  readonly isAside: boolean;
}

type Opened = Extract<BudgetEvent, { type: "allocation_opened" }>;
type Raised = Extract<BudgetEvent, { type: "limit_raised" }>;

export class Turns {
  readonly #ledger: Ledger;
  readonly #facts = new Map<string, Fact>();
  readonly #waiting = new Map<string, Waiting>();
  /** Who has just ceased to wait because it is granted now. */
  #leaving: Waiting | undefined;
  /**
   * What the grant that comes next takes out of a reservation. That was promised before to whoever names it, and set aside: it was never there
   * for those who wait, so its use takes nothing of them, whoever came first.
   */
  #reserved: PerResource | undefined;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** To be told every durable event, after the ledger. */
  read(event: BudgetEvent): void {
    switch (event.type) {
      case "allocation_opened": {
        const { parentId, policy, priority } = event;
        this.#facts.set(event.allocationId, { rank: RANKS.indexOf(priority), parentId, policy });
        this.#granted(event);
        break;
      }
      case "limit_raised":
        this.#granted(event);
        break;
      case "policy_set": {
        const fact = this.#facts.get(event.allocationId);
        if (fact) fact.policy = event.policy;
        break;
      }
      case "reservation_used":
        this.#reserved = event.by;
        break;
      case "request_queued":
        this.#waiting.set(event.effectKey, this.#waitingOf(event));
        break;
      case "request_dequeued":
        this.#leaving = event.cause === "granted" ? this.#waiting.get(event.effectKey) : undefined;
        this.#waiting.delete(event.effectKey);
        break;
      default:
    }
  }

  #waitingOf({
    effectKey: key,
    parentId: at,
    request,
    atMs,
  }: Extract<BudgetEvent, { type: "request_queued" }>): Waiting {
    const rank = request.type === "open" ? RANKS.indexOf(request.priority) : this.#rankOf(request.allocationId);
    return {
      key,
      at,
      rank,
      arrivedAtMs: request.arrivedAtMs ?? atMs,
      needs: leastOf(request),
      isAside: isAside(request),
    };
  }

  #rankOf(id: string): number {
    return this.#facts.get(id)?.rank ?? 0;
  }

  #granted(event: Opened | Raised): void {
    const { effect } = event;
    // A person who lets a run go on does not wait, like one who changes limits.
    if (!effect || effect.key.startsWith("resume:")) return;
    const opened = event.type === "allocation_opened";
    const at = opened ? event.parentId : this.#facts.get(event.allocationId)?.parentId;
    const node = at === undefined ? undefined : this.#ledger.nodes.get(at);
    const leaving = this.#leaving?.key === effect.key ? this.#leaving : undefined;
    const reserved = this.#reserved;
    this.#leaving = undefined;
    this.#reserved = undefined;
    if (at === undefined || !node) return;
    const arrivedAtMs = leaving?.arrivedAtMs ?? event.atMs;
    const taken = beyond(opened ? takenBy(event) : event.by, reserved);
    for (const waiting of this.#waiting.values()) {
      if (waiting.at === at && !waiting.isAside)
        this.#checkLeft(node, waiting, { arrivedAtMs, taken, id: event.allocationId });
    }
  }

  #checkLeft(
    node: Node,
    waiting: Waiting,
    late: { readonly arrivedAtMs: number; readonly taken: PerResource; readonly id: string },
  ): void {
    for (const resource of this.#mustLeave(node, waiting, late.arrivedAtMs)) {
      const needed = waiting.needs[resource];
      if (needed === 0 || late.taken[resource] === 0 || node.unlimited[resource]) continue;
      const left = leftOf(node, resource);
      if (left >= needed) continue;
      const message = `${this.#ledger.owner} ${node.path}: ${late.id} came at ${late.arrivedAtMs} and takes ${late.taken[resource]} ${resource}, so that ${left} are left; ${JSON.stringify(waiting.key)}, which waits since ${waiting.arrivedAtMs}, needs ${needed}`;
      throw new Violation("A10.turn", message, [node.id, late.id, this.#ledger.owner]);
    }
  }

  /** What somebody who came at that time must leave for one who waits. */
  #mustLeave(node: Node, waiting: Waiting, arrivedAtMs: number): readonly Every[] {
    const { strategy, agingStepMs = USUAL_STEP_MS } = this.#inForce(node.id);
    if (strategy === "QUEUE_AND_WAIT") return arrivedAtMs > waiting.arrivedAtMs ? SPENDABLE : [];
    if (strategy !== "PRIORITY_BASED") return [];
    const boundMs = waiting.arrivedAtMs + (HIGHEST - waiting.rank + 1) * agingStepMs;
    return arrivedAtMs > boundMs ? [...SPENDABLE, ...HELD] : [];
  }

  #inForce(id: string): Pick<Policy, "strategy" | "agingStepMs"> {
    const found: { strategy?: NonNullable<Policy["strategy"]>; agingStepMs?: number } = {};
    for (let at: string | undefined = id; at !== undefined; at = this.#facts.get(at)?.parentId) {
      const policy = this.#facts.get(at)?.policy;
      const strategy = policy?.strategy ?? policy?.inherited?.strategy;
      const agingStepMs = policy?.agingStepMs ?? policy?.inherited?.agingStepMs;
      if (strategy !== undefined) found.strategy ??= strategy;
      if (agingStepMs !== undefined) found.agingStepMs ??= agingStepMs;
    }
    return found;
  }
}

function isAside(wish: GrantWish): boolean {
  return wish.reservationId !== undefined || (wish.type === "open" && wish.access !== undefined);
}

function slotsOf(kind: string, branches: number): number {
  return kind === "account" ? branches : branches + 1;
}

function takenBy({ kind, limits }: Opened): PerResource {
  const { credits = 0, toolCalls = 0, branches = 0, memoryBytes = 0 } = limits;
  return { credits, toolCalls, branches: slotsOf(kind, branches), memoryBytes };
}

/** What of it does not come out of a reservation: of that it leaves to those before it what they need, like anybody. */
function beyond(taken: PerResource, reserved: PerResource | undefined): PerResource {
  if (!reserved) return taken;
  const rest = (resource: Every) => Math.max(0, taken[resource] - reserved[resource]);
  return {
    credits: rest("credits"),
    toolCalls: rest("toolCalls"),
    branches: rest("branches"),
    memoryBytes: rest("memoryBytes"),
  };
}

function leastOf(wish: GrantWish): PerResource {
  if (wish.type === "raise") {
    const { branches, memoryBytes } = wish.by;
    return { credits: wish.min.credits, toolCalls: wish.min.toolCalls, branches, memoryBytes };
  }
  const { credits = 0, toolCalls = 0, branches = 0, memoryBytes = 0 } = wish.limits;
  const least = { credits: Math.min(credits, wish.min.credits), toolCalls: Math.min(toolCalls, wish.min.toolCalls) };
  return { ...least, branches: slotsOf(wish.kind, branches), memoryBytes };
}

function leftOf(node: Node, resource: Every): number {
  if (resource === "credits" || resource === "toolCalls") return booksOf(node, resource).available;
  return node.limit[resource] - heldInUse(node, resource);
}
