/**
 * The auditor: hears every commit, every message and every act of a worker, keeps its own account, and throws a Violation the moment
 * a promise is broken. It shares no arithmetic with the engine.
 *   A1 books balance   A2 no overspend, no hold of no use   A3 no lost budget   A4 usage never falls   A5 one effect per request
 *   A6 nothing returned or given up is spent   A7 recovery is exact (world/shadow.ts)   A8 nothing is said before it is durable
 *   A9 everything ends, and nothing fails by itself (world/)   A10 nobody takes what one who waits longer needs
 *   A11 what is paused begins nothing new, and hears of its pause and its end; what is stopped ends
 *   A12 only lower work gives way, not too soon, and what it gives goes to the one who claims it
 *   A13 shares are there when they are granted, and nobody has less than its minimum
 *   A16 a name that one holds alone is nobody else's
 *   A17 only the policy in force acts, whatever is tried beside it
 *   A18 what is answered before it is durable is within an allowance, and a power cut hides nothing of it
 *   A21 what is reserved goes to those who use it, in its time, and to nobody else
 *   A21 what is carved for some is granted to nobody else, and there is one final step at a time
 *   A20 what was paused for others waits to go on for just what it gave, and goes on with that
 *   A22 the next attempt of what gave way has its turn as the first one had, and nobody gives way again too soon
 *   A23 whoever holds a grant knows the policies above it
 */
import type { BudgetEvent } from "#budget";
import { Violation } from "../world/violation.ts";
import { Allowances } from "./allowances.ts";
import { AttemptsAudit } from "./attempts.ts";
import { checkNode, heldInUse, type StatedNode } from "./books.ts";
import { ClaimsAudit } from "./claims.ts";
import { GoingOnAudit } from "./going-on.ts";
import { type Counting, Grants } from "./grants.ts";
import { checkHeard, InheritedAudit } from "./inherited.ts";
import { type Call, HELD, Ledger, type Node, type PerSpendable, SPENDABLE } from "./ledger.ts";
import { NamesAudit } from "./names.ts";
import { Pauses } from "./pauses.ts";
import { Policies } from "./policies.ts";
import { ReservationsAudit } from "./reservations.ts";
import { SharesAudit } from "./shares.ts";
import { ShrinksAudit } from "./shrinks.ts";
import { TranchesAudit } from "./tranches.ts";
import { Tree } from "./tree.ts";
import { TriedAudit } from "./tried.ts";
import { type TrueCall, Truth } from "./truth.ts";
import { Turns } from "./turns.ts";
import { Wire } from "./wire.ts";

/** A daemon's own node, by its id; undefined when it has forgotten it. */
export type Stated = (allocationId: string) => StatedNode | undefined;

export class Auditor {
  readonly allowances = new Allowances();
  readonly truth = new Truth((holdId) => this.allowances.isLost(holdId));
  readonly tree = new Tree();
  readonly grants: Grants;
  readonly #ledgers = new Map<string, Ledger>();
  readonly #wires = new Map<string, Wire>();
  readonly #turns = new Map<Ledger, Turns>();
  readonly #pauses = new Map<Ledger, Pauses>();
  readonly #claims = new Map<Ledger, ClaimsAudit>();
  readonly #goingOn = new Map<Ledger, GoingOnAudit>();
  readonly #shares = new Map<Ledger, SharesAudit>();
  readonly #reservations = new Map<Ledger, ReservationsAudit>();
  readonly #names = new Map<Ledger, NamesAudit>();
  readonly #tranches = new Map<Ledger, TranchesAudit>();
  readonly #tried = new Map<Ledger, TriedAudit>();
  readonly #policies = new Map<Ledger, Policies>();
  readonly #inherited = new Map<Ledger, InheritedAudit>();
  readonly #attempts = new Map<Ledger, AttemptsAudit>();
  readonly #shrinks = new Map<Ledger, ShrinksAudit>();
  readonly #effects = new Map<string, string>();
  readonly #usageHigh = new Map<string, number>();

  constructor(counting: Counting) {
    this.grants = new Grants(counting);
  }

  ledger(owner: string): Ledger {
    const known = this.#ledgers.get(owner);
    if (known) return known;
    const ledger = new Ledger(owner);
    this.#ledgers.set(owner, ledger);
    this.#wires.set(owner, new Wire(ledger, this.allowances));
    this.#turns.set(ledger, new Turns(ledger));
    this.#pauses.set(ledger, new Pauses(ledger));
    const policies = new Policies();
    this.#policies.set(ledger, policies);
    this.#inherited.set(ledger, new InheritedAudit(ledger, policies));
    this.#attempts.set(ledger, new AttemptsAudit(ledger, policies));
    this.#shrinks.set(ledger, new ShrinksAudit(ledger));
    this.#claims.set(ledger, new ClaimsAudit(ledger, policies));
    this.#goingOn.set(ledger, new GoingOnAudit(ledger));
    this.#shares.set(ledger, new SharesAudit(ledger));
    this.#reservations.set(ledger, new ReservationsAudit(ledger));
    this.#names.set(ledger, new NamesAudit(ledger));
    this.#tranches.set(ledger, new TranchesAudit(ledger));
    this.#tried.set(ledger, new TriedAudit(ledger));
    return ledger;
  }

  get ledgers(): Iterable<Ledger> {
    return this.#ledgers.values();
  }

  /** A daemon has just decided this; it is not durable yet. */
  decided(owner: string, events: readonly BudgetEvent[]): void {
    const lapsed = lapsedIn(events);
    for (const event of events) {
      if (event.type === "hold_placed" && lapsed.has(event.holdId)) continue;
      if (event.type === "hold_placed") {
        this.grants.newSpending(owner, "reserves", { id: event.allocationId, tree: this.tree });
      } else if (event.type === "allocation_opened" && event.parentId !== undefined) {
        this.grants.newSpending(owner, "grants", { id: event.parentId, tree: this.tree });
      } else if (event.type === "lease_ended") this.grants.leaseEnds(event.allocationId);
      this.grants.leaseIsTaken(owner, event);
    }
  }

  /** They are not durable, and are lost only if the machine loses power. */
  written(owner: string, events: readonly BudgetEvent[]): void {
    this.allowances.written(this.ledger(owner), events);
  }

  /** The daemon has died: what it had decided and is not durable is lost. */
  died(owner: string): void {
    this.allowances.died(this.ledger(owner));
  }

  /** These events are durable from now on. */
  durable(owner: string, events: readonly BudgetEvent[], stated: Stated): void {
    const ledger = this.ledger(owner);
    ledger.touched = new Set();
    ledger.corrected = new Set();
    this.allowances.durable(events);
    const lapsed = lapsedIn(events);
    for (const event of events) {
      ledger.apply(event);
      const isOver = event.type === "hold_placed" && lapsed.has(event.holdId);
      if (!isOver) this.#afterEvent(ledger, event);
    }
    this.#pauses.get(ledger)?.commitEnds();
    this.#goingOn.get(ledger)?.commitEnds();
    this.#claims.get(ledger)?.commitEnds();
    this.#inherited.get(ledger)?.commitEnds();
    this.#shrinks.get(ledger)?.commitEnds();
    const seen = new Set<Node>();
    for (const node of ledger.touched) {
      for (let at: Node | undefined = node; at && !seen.has(at); at = at.parent) {
        seen.add(at);
        if (ledger.corrected.has(at))
          for (const resource of SPENDABLE) this.#usageHigh.delete(`${owner} ${at.id} ${resource}`);
        this.#checkNode(owner, at, stated);
      }
    }
  }

  #afterEvent(ledger: Ledger, event: BudgetEvent): void {
    this.#policies.get(ledger)?.read(event);
    this.#inherited.get(ledger)?.read(event);
    this.#attempts.get(ledger)?.read(event);
    this.#shrinks.get(ledger)?.read(event);
    this.#turns.get(ledger)?.read(event);
    this.#pauses.get(ledger)?.read(event);
    this.#claims.get(ledger)?.read(event);
    this.#goingOn.get(ledger)?.read(event);
    this.#shares.get(ledger)?.read(event);
    this.#reservations.get(ledger)?.read(event);
    this.#names.get(ledger)?.read(event);
    this.#tranches.get(ledger)?.read(event);
    this.#tried.get(ledger)?.read(event);
    if (event.type === "allocation_opened") {
      const node = ledger.nodes.get(event.allocationId);
      if (!node) return;
      this.tree.opened(ledger, node);
      this.grants.opened(ledger, node);
    }
    if (event.type === "hold_charged") {
      const call = ledger.calls.get(event.holdId);
      if (call) this.truth.checkCharge(ledger.owner, call);
    }
    if ("effect" in event && event.effect) this.#effectOnce(ledger.owner, event.effect.key, idOf(event));
  }

  /** A5: a request has one effect in the life of a journal. */
  #effectOnce(owner: string, key: string, id: string): void {
    const before = this.#effects.get(`${owner} ${key}`);
    if (before !== undefined) {
      const message = `${owner} gives one request two effects: ${JSON.stringify(key)} made ${before} and now ${id}`;
      throw new Violation("A5.two-effects", message, [owner, before, id]);
    }
    this.#effects.set(`${owner} ${key}`, id);
  }

  #checkNode(owner: string, node: Node, stated: Stated): void {
    this.grants.check(node);
    const said = stated(node.id);
    if (!said) return;
    checkNode(owner, node, said);
    this.#checkDeadline(owner, node, said);
    if (!this.ledger(owner).isProvisional(node)) this.#checkDebt(owner, node, said);
    for (const resource of SPENDABLE) this.#neverFalls(owner, node, { resource, usage: said.books[resource].usage });
  }

  /** A2: whatever is owed was overrun; a debt beyond that was given out twice. */
  #checkDebt(owner: string, node: Node, { books }: StatedNode): void {
    for (const resource of SPENDABLE) {
      const { debt, overrun } = books[resource];
      if (debt <= overrun) continue;
      const message = `${owner} ${node.path} (${node.id}) ${resource}: owes ${debt} with an overrun of only ${overrun}: something was given out twice`;
      throw new Violation("A2.overgrant", message, [node.id, owner]);
    }
  }

  /** A1: a deadline is where the events have put it, and no later than that of what stands above. */
  #checkDeadline(owner: string, node: Node, { deadlineAtMs }: StatedNode): void {
    const latest = node.parent?.deadlineAtMs ?? Number.POSITIVE_INFINITY;
    const isOver = node.state !== "closed" && (node.deadlineAtMs ?? latest) > latest;
    if (deadlineAtMs === node.deadlineAtMs && !isOver) return;
    const message = `${owner} ${node.path} (${node.id}): its deadline is ${deadlineAtMs}, by the events ${node.deadlineAtMs}, at most ${latest}`;
    throw new Violation("A1.deadline", message, [node.id, owner]);
  }

  #neverFalls(
    owner: string,
    node: Node,
    { resource, usage }: { readonly resource: string; readonly usage: number },
  ): void {
    const key = `${owner} ${node.id} ${resource}`;
    const before = this.#usageHigh.get(key) ?? 0;
    if (usage < before) {
      const message = `${owner} ${node.path} ${resource}: usage falls from ${before} to ${usage}`;
      throw new Violation("A4.usage", message, [node.id, owner]);
    }
    this.#usageHigh.set(key, usage);
  }

  /** A23, when everything has worked for a while. */
  checkHeard(): void {
    checkHeard([...this.#policies].map(([ledger, policies]) => ({ ledger, policies })));
  }

  /** A daemon hands a message to the network. */
  said(
    owner: string,
    path: string,
    { direction, bytes }: { readonly direction: "up" | "down"; readonly bytes: Uint8Array },
  ): void {
    this.ledger(owner);
    this.#wires.get(owner)?.said(path, direction, bytes);
  }

  /** A worker spends in the world. */
  spend(call: TrueCall, by: PerSpendable): void {
    const cover = (resource: "credits" | "toolCalls") => {
      const before = Math.min(call.spent[resource], call.granted[resource]);
      call.spent[resource] += by[resource];
      return Math.min(call.spent[resource], call.granted[resource]) - before;
    };
    this.tree.spent(call.allocationId, { credits: cover("credits"), toolCalls: cover("toolCalls") });
  }

  /** The journal of this daemon is gone. */
  lost(owner: string): void {
    this.ledger(owner).lost = true;
  }

  /** Allocations in doubt whose holder will never come back. */
  abandoned(): readonly string[] {
    const gone = new Set([...this.ledgers].filter(({ lost }) => lost).map(({ owner }) => owner));
    const isGone = (holder = "") => gone.has(holder.slice(holder.indexOf("journal-") + "journal-".length));
    return [...this.ledgers].flatMap(({ lost, nodes }) =>
      lost
        ? []
        : [...nodes.values()].filter((n) => n.inDoubt && n.state !== "closed" && isGone(n.holder)).map(({ id }) => id),
    );
  }

  /** Allocations whose holders are silent, and that nobody has given up yet. */
  inDoubt(): readonly string[] {
    return [...this.ledgers].flatMap(({ nodes }) =>
      [...nodes.values()].filter(({ inDoubt, state }) => inDoubt && state !== "closed").map(({ id }) => id),
    );
  }

  /** The nodes, but for accounts, that are not closed. */
  stillOpen(): readonly { readonly owner: string; readonly node: Node }[] {
    const kept = [...this.ledgers].filter(({ lost }) => !lost);
    return kept.flatMap(({ owner, nodes }) =>
      [...nodes.values()]
        .filter(({ kind, state }) => kind !== "account" && state !== "closed")
        .map((node) => ({ owner, node })),
    );
  }

  /** A3: everything has ended; each top holds exactly what was spent, and nothing hangs. */
  final(): void {
    this.grants.checkAgreed();
    this.allowances.final(this.truth, (id) => this.tree.isWrittenOff(id));
    const spent = { credits: 0, toolCalls: 0 };
    for (const ledger of this.ledgers) {
      for (const call of ledger.calls.values()) this.#countCall(call, spent);
      // Where a person gave a holder up for good, that stands for whatever was called below.
      for (const node of ledger.nodes.values()) this.#countWriteOff(node, spent);
    }
    for (const ledger of this.ledgers) {
      for (const top of ledger.tops) if (top.kind === "account") this.#checkTop(ledger, top, spent);
    }
  }

  #countCall(call: Call, spent: PerSpendable): void {
    if (this.tree.isWrittenOff(call.at.id)) return;
    this.truth.checkFinal(call);
    for (const resource of SPENDABLE) {
      const { charged, amounts, state } = call;
      spent[resource] += state === "settled" ? charged[resource] : Math.max(charged[resource], amounts[resource]);
    }
  }

  #countWriteOff(node: Node, spent: PerSpendable): void {
    if (!node.writtenOff || (node.parent && this.tree.isWrittenOff(node.parent.id))) return;
    for (const resource of SPENDABLE) spent[resource] += node.reported[resource];
  }

  #checkTop({ owner, nodes }: Ledger, top: Node, spent: PerSpendable): void {
    for (const node of nodes.values()) {
      if (node.kind !== "account") continue;
      for (const kind of HELD) {
        const inUse = heldInUse(node, kind) - [...node.children].reduce((sum, child) => sum + child.limit[kind], 0);
        if (inUse !== 0)
          throw new Violation("A3.held", `${node.path}: ${inUse} ${kind} still in use at the end`, [node.id]);
      }
    }
    for (const resource of SPENDABLE) {
      const inBooks = spentBelow(top, resource);
      if (inBooks === spent[resource]) continue;
      const message = `${top.path} ${resource}: its books end with ${inBooks} spent, the calls below it cost ${spent[resource]}`;
      throw new Violation("A3.lost", message, [top.id, owner]);
    }
  }
}

/** Accounts stay open; what their closed children used is their own. */
function spentBelow(node: Node, resource: "credits" | "toolCalls"): number {
  return [...node.children].reduce((sum, child) => sum + spentBelow(child, resource), node.own[resource]);
}

function idOf(event: BudgetEvent): string {
  if ("holdId" in event) return event.holdId;
  return "allocationId" in event ? event.allocationId : event.type;
}

/** Holds that are placed and over in one commit: they stand for calls of before, and begin nothing. */
function lapsedIn(events: readonly BudgetEvent[]): ReadonlySet<string> {
  return new Set(events.flatMap((event) => (event.type === "hold_lapsed" ? [event.holdId] : [])));
}
