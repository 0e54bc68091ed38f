/**
 * The auditor's own account of one daemon, kept from its durable events alone. What the events do not say in so many words (available,
 * debt, granted) is not kept but worked out when asked for, in books.ts. Shares no code with the engine.
 */
import type { BudgetEvent } from "#budget";
import { LIMITS } from "#std";

export const SPENDABLE = ["credits", "toolCalls"] as const;
export const HELD = ["branches", "memoryBytes"] as const;
export type Spendable = (typeof SPENDABLE)[number];
export type HeldKind = (typeof HELD)[number];
export type Every = Spendable | HeldKind;
export type PerSpendable = { [R in Spendable]: number };
export type PerResource = { [R in Every]: number };

export interface Call {
  readonly id: string;
  readonly at: Node;
  readonly amounts: PerResource;
  readonly charged: PerSpendable;
  readonly effectKey: string;
  state: "live" | "lapsed" | "settled" | "confirmed";
  expiresAtMs: number;
}

export interface Node {
  readonly id: string;
  readonly parent: Node | undefined;
  readonly side: "local" | "delegated" | "received";
  readonly kind: string;
  readonly path: string;
  readonly holder: string | undefined;
  readonly unlimited: { readonly [R in Every]: boolean };
  readonly limit: PerResource;
  readonly granted: PerResource;
  readonly returned: PerResource;
  readonly calls: Set<Call>;
  readonly children: Set<Node>;
  /** Settled calls here, what lapsed unsettled once the node is closed, and what closed children used. */
  readonly own: PerSpendable;
  /** Delegated: the latest account of its holder. */
  readonly reported: PerSpendable;
  readonly overrun: PerSpendable;
  state: "open" | "closing" | "closed";
  inDoubt: boolean;
  epoch: number;
  readonly leaseTtlMs: number;
  leaseEndsAtMs: number | undefined;
  deadlineAtMs: number | undefined;
  /** How many corrections its account contains, told by its holder or come up from below; one with more takes the place of one with fewer. */
  corrections: number;
  /** A person gave its holder up, and the true account has not come. */
  writtenOff: boolean;
}

const nothing = (): PerSpendable => ({ credits: 0, toolCalls: 0 });
const nothingAtAll = (): PerResource => ({ credits: 0, toolCalls: 0, branches: 0, memoryBytes: 0 });

type Opened = Extract<BudgetEvent, { type: "allocation_opened" }>;
type EventOf<T extends BudgetEvent["type"]> = Extract<BudgetEvent, { type: T }>;

export class Ledger {
  readonly owner: string;
  readonly nodes = new Map<string, Node>();
  readonly calls = new Map<string, Call>();
  readonly tops = new Set<Node>();
  /** Nodes that the latest commit spoke of. */
  touched = new Set<Node>();
  /** Nodes whose usage the latest commit corrected: there alone it may fall. */
  corrected = new Set<Node>();
  /** Delegated nodes whose usage stands for a true account that has not come. */
  readonly provisional = new Set<Node>();
  /** The journal is gone with its disk: nobody can tell any more what stands in it. */
  lost = false;

  constructor(owner: string) {
    this.owner = owner;
  }

  apply(event: BudgetEvent): void {
    switch (event.type) {
      case "allocation_opened":
        this.#open(event);
        break;
      case "limit_raised":
        this.#moveLimit(event.allocationId, event.by, 1);
        break;
      case "limit_lowered":
        this.#moveLimit(event.allocationId, event.by, -1);
        break;
      case "hold_placed":
        this.#place(event);
        break;
      case "hold_charged":
        this.#charge(event);
        break;
      case "hold_lapsed":
        this.#call(event.holdId).state = "lapsed";
        break;
      case "hold_extended":
        this.#call(event.holdId).expiresAtMs = event.expiresAtMs;
        break;
      case "usage_reported":
        this.#report(event);
        break;
      case "account_corrected":
        this.#correct(this.#node(event.allocationId), event);
        break;
      case "written_off":
        this.#writeOff(event);
        break;
      default:
        this.#lease(event);
    }
  }

  #lease(event: BudgetEvent): void {
    switch (event.type) {
      case "lease_renewed":
        this.#node(event.allocationId).leaseEndsAtMs = event.endsAtMs;
        this.#node(event.allocationId).inDoubt = false;
        break;
      case "lease_ended":
        this.#node(event.allocationId).inDoubt = true;
        break;
      case "allocation_closing":
        this.#node(event.allocationId).state = "closing";
        break;
      case "allocation_closed":
        this.#close(this.#node(event.allocationId));
        break;
      case "deadline_moved":
        this.#moveDeadline(this.#node(event.allocationId), event.deadlineAtMs);
        break;
      case "daemon_started":
        this.#startAgain(event.atMs);
        break;
      default:
      // Policies, notes, queues, preemptions and forgotten memory move no budget.
    }
  }

  #node(id: string): Node {
    const node = this.nodes.get(id);
    if (!node) throw new Error(`${this.owner} journals something about ${id}, which it never opened`);
    this.touched.add(node);
    return node;
  }

  #call(id: string): Call {
    const call = this.calls.get(id);
    if (!call) throw new Error(`${this.owner} journals something about hold ${id}, which it never placed`);
    this.touched.add(call.at);
    return call;
  }

  #open(event: Opened): void {
    const { limits } = event;
    const parent = event.parentId === undefined ? undefined : this.#node(event.parentId);
    const given = (resource: Every) => limits[resource] ?? 0;
    const start = () => ({
      credits: given("credits"),
      toolCalls: given("toolCalls"),
      branches: given("branches"),
      memoryBytes: given("memoryBytes"),
    });
    const open = (resource: Every) => limits[resource] === undefined;
    const node: Node = {
      id: event.allocationId,
      parent,
      side: event.side,
      kind: event.kind,
      path: event.path,
      holder: event.side === "delegated" ? event.peer : undefined,
      unlimited: {
        credits: open("credits"),
        toolCalls: open("toolCalls"),
        branches: open("branches"),
        memoryBytes: open("memoryBytes"),
      },
      limit: start(),
      granted: start(),
      returned: nothingAtAll(),
      calls: new Set(),
      children: new Set(),
      own: nothing(),
      reported: nothing(),
      overrun: nothing(),
      state: "open",
      inDoubt: false,
      epoch: event.epoch,
      leaseTtlMs: event.leaseTtlMs,
      leaseEndsAtMs: event.leaseEndsAtMs,
      deadlineAtMs: event.deadlineAtMs,
      corrections: 0,
      writtenOff: false,
    };
    this.nodes.set(node.id, node);
    this.touched.add(node);
    if (parent) parent.children.add(node);
    else this.tops.add(node);
  }

  #moveLimit(id: string, by: PerResource, way: 1 | -1): void {
    const node = this.#node(id);
    for (const resource of [...SPENDABLE, ...HELD]) {
      if (!node.unlimited[resource]) node.limit[resource] += way * by[resource];
      (way === 1 ? node.granted : node.returned)[resource] += by[resource];
    }
  }

  /** Below it moves along what would be later, and what stood at the very same time, as one who states no deadline of its own does. */
  #moveDeadline(node: Node, toMs: number): void {
    const from = node.deadlineAtMs;
    node.deadlineAtMs = toMs;
    this.touched.add(node);
    for (const child of node.children) {
      const at = child.deadlineAtMs;
      if (at === undefined || at === from || at > toMs) this.#moveDeadline(child, toMs);
    }
  }

  #place(event: EventOf<"hold_placed">): void {
    const at = this.#node(event.allocationId);
    const amounts = { ...event.amounts };
    const { holdId: id, expiresAtMs } = event;
    const call: Call = { id, at, amounts, charged: nothing(), effectKey: event.effect.key, state: "live", expiresAtMs };
    at.calls.add(call);
    this.calls.set(id, call);
  }

  #charge(event: EventOf<"hold_charged">): void {
    const call = this.#call(event.holdId);
    for (const resource of SPENDABLE) {
      const before = Math.max(0, call.charged[resource] - call.amounts[resource]);
      const beyond = Math.max(0, event[resource] - call.amounts[resource]) - before;
      for (let at: Node | undefined = call.at; at; at = at.parent) at.overrun[resource] += beyond;
      call.charged[resource] = event[resource];
    }
    if (event.final) this.#settle(call, "settled");
  }

  #settle(call: Call, state: "settled" | "confirmed"): void {
    for (const resource of SPENDABLE) call.at.own[resource] += costOf(call, resource, state);
    call.at.calls.delete(call);
    call.state = state;
  }

  #report(event: EventOf<"usage_reported">): void {
    const node = this.#node(event.allocationId);
    this.#setProvisional(node, event.provisional || (node.writtenOff && event.corrections <= node.corrections));
    if (event.corrections > node.corrections) {
      this.#correct(node, event);
      return;
    }
    for (const resource of SPENDABLE) node.reported[resource] = Math.max(node.reported[resource], event[resource]);
    this.#takeOverrun(node, event);
  }

  #takeOverrun(node: Node, event: EventOf<"usage_reported" | "account_corrected">): void {
    const told = { credits: event.overrunCredits, toolCalls: event.overrunToolCalls };
    for (const resource of SPENDABLE) {
      const grown = Math.max(0, told[resource] - node.overrun[resource]);
      for (let at: Node | undefined = node; at; at = at.parent) at.overrun[resource] += grown;
    }
  }

  /** What a node has used is now this, more or less than was known; what of it stands above in closed nodes moves with it. */
  #correct(node: Node, event: EventOf<"usage_reported" | "account_corrected">): void {
    const before = { ...node.reported };
    for (const resource of SPENDABLE) node.reported[resource] = event[resource];
    const more = event.corrections - node.corrections + (node.writtenOff ? 1 : 0);
    for (let at = node.parent; at && more > 0; at = at.parent) at.corrections += more;
    node.corrections = Math.max(node.corrections, event.corrections);
    node.writtenOff = false;
    this.#setProvisional(node, event.provisional);
    this.#takeOverrun(node, event);
    for (const resource of SPENDABLE) {
      const by = node.reported[resource] - before[resource];
      for (let at: Node | undefined = node; at; at = at.parent) {
        this.corrected.add(at);
        this.touched.add(at);
        if (at.state === "closed" && at.parent) at.parent.own[resource] += by;
        handOn(at, resource);
      }
    }
  }

  #writeOff(event: EventOf<"written_off">): void {
    const node = this.#node(event.allocationId);
    for (const resource of SPENDABLE) node.reported[resource] += event[resource];
    node.epoch = event.epoch;
    node.writtenOff = true;
    this.#setProvisional(node, true);
  }

  #setProvisional(node: Node, provisional: boolean): void {
    if (provisional) this.provisional.add(node);
    else this.provisional.delete(node);
  }

  /** A true account is missing at the node or below it, so that what comes back may come before it. */
  isProvisional(node: Node): boolean {
    for (const one of this.provisional)
      for (let at: Node | undefined = one; at; at = at.parent) if (at === node) return true;
    return false;
  }

  /** After a restart nothing held may be spent before a renewal, and everything granted is granted for a whole lease more. */
  #startAgain(atMs: number): void {
    for (const node of this.nodes.values()) {
      if (node.state === "closed" || node.leaseEndsAtMs === undefined) continue;
      if (node.side === "received") node.leaseEndsAtMs = atMs;
      else if (!node.inDoubt) node.leaseEndsAtMs = atMs + node.leaseTtlMs + LIMITS.leaseMarginMs;
    }
  }

  #close(node: Node): void {
    for (const call of [...node.calls]) this.#settle(call, "confirmed");
    node.state = "closed";
    const { parent } = node;
    if (!parent) return;
    this.touched.add(parent);
    for (const resource of SPENDABLE) parent.own[resource] += usageOf(node, resource);
    parent.children.delete(node);
  }
}

/** A closed node keeps nothing that comes free: it goes back to where it came from. */
function handOn(node: Node, resource: Spendable): void {
  const keeps = node.side === "delegated" || (node.side === "local" && !node.parent);
  if (node.state !== "closed" || keeps || node.unlimited[resource]) return;
  const free = node.limit[resource] - usageOf(node, resource);
  if (free <= 0) return;
  node.limit[resource] -= free;
  node.returned[resource] += free;
}

/** What a call that is over has cost: what was said, or its hold when nothing final was. */
function costOf(call: Call, resource: Spendable, state: "settled" | "confirmed"): number {
  return state === "settled" ? call.charged[resource] : Math.max(call.charged[resource], call.amounts[resource]);
}

/** What the subtree is known to have used. */
export function usageOf(node: Node, resource: Spendable): number {
  if (node.side === "delegated") return node.reported[resource];
  let used = node.own[resource];
  for (const call of node.calls) used += call.charged[resource];
  for (const child of node.children) used += usageOf(child, resource);
  return used;
}
