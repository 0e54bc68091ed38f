/**
 * A12: who gives way to whom. Only work under the same node, of lower base priority, that has been left alone for as long as the policy says;
 * and what it gives back goes to nobody else while the one who claims it waits, but to one of higher priority, or up to whoever took it from
 * above. Whose holder has said that nothing more is free is asked for nothing more while that is owed; and a claim is planned again in the
 * commit in which all that it was asked for has been given, or is known not to be free. Credits only: what is told of them is told of the rest in the same words.
 */
import type { BudgetEvent, Policy } from "#budget";
import { Violation } from "../world/violation.ts";
import { booksOf } from "./books.ts";
import type { Ledger, Node } from "./ledger.ts";
import type { Policies } from "./policies.ts";

const RANKS = ["LOW", "NORMAL", "HIGH", "CRITICAL", "EMERGENCY"];
const USUAL_PROTECT_MS = 5_000;

type EventOf<T extends BudgetEvent["type"]> = Extract<BudgetEvent, { type: T }>;

interface Fact {
  readonly rank: number;
  readonly openedAtMs: number;
  readonly parentId: string | undefined;
  policy: Policy;
}

interface Claim {
  readonly key: string;
  readonly at: string;
  readonly rank: number;
  readonly needs: number;
  /** Names of preemptions for it, each with the allocation. */
  readonly asked: Set<string>;
  givers: ReadonlySet<string>;
  /** Running work is left alone by it: all that it asked for was what is free. */
  asksForFree: boolean;
  /** Somebody has answered it in this commit. */
  isAnswered: boolean;
  /** Credits that came back for it and must be there still. */
  kept: number;
}

interface Shrink {
  owed: number;
  /** Its holder has said that nothing more is free. */
  isDry: boolean;
}

/** Of a claim that nobody has been asked for. */
const NO_PLAN = { givers: new Set<string>(), asksForFree: false, isAnswered: false, kept: 0 };

/** Begins the name of what is asked for a claim. */
const FOR_CLAIM = "claim-";

export class ClaimsAudit {
  readonly #ledger: Ledger;
  readonly #facts = new Map<string, Fact>();
  readonly #claims = new Map<string, Claim>();
  /** Allocations that were asked to give something back, and may owe it. */
  readonly #owing = new Set<string>();
  /** What each allocation owes to SHRINKs, by their names. */
  readonly #shrinks = new Map<string, Map<string, Shrink>>();
  readonly #policies: Policies;
  #granting: string | undefined;

  /** `policies`: of the same journal, told every event before. */
  constructor(ledger: Ledger, policies: Policies) {
    this.#ledger = ledger;
    this.#policies = policies;
  }

  /** To be told every durable event, after the ledger. */
  read(event: BudgetEvent): void {
    this.#follow(event);
    // An overrun, or a preemption from above, may take what is kept.
    if (this.#claims.size > 0) this.#bound();
  }

  #follow(event: BudgetEvent): void {
    switch (event.type) {
      case "allocation_opened":
        this.#opened(event);
        break;
      case "limit_raised":
        if (event.effect) this.#granted(event.effect.key, this.#facts.get(event.allocationId)?.parentId);
        break;
      case "policy_set": {
        const fact = this.#facts.get(event.allocationId);
        if (fact) fact.policy = event.policy;
        break;
      }
      case "request_queued":
        this.#queued(event);
        break;
      case "request_dequeued":
        this.#granting = event.cause === "granted" ? event.effectKey : undefined;
        this.#claims.delete(event.effectKey);
        break;
      case "claim_planned":
        this.#planned(event);
        break;
      case "limit_lowered":
        this.#gave(event);
        break;
      case "reclaim_requested":
        this.#owing.add(event.allocationId);
        this.#requested(event);
        break;
      case "reclaim_ended":
        this.#owing.delete(event.allocationId);
        this.#answers(event);
        this.#shrinks.get(event.allocationId)?.delete(event.preemptionId);
        break;
      case "room_reserved":
        this.#moved(event);
        break;
      default:
    }
  }

  #opened(event: EventOf<"allocation_opened">): void {
    const { allocationId, parentId, priority, policy, atMs } = event;
    this.#facts.set(allocationId, { rank: RANKS.indexOf(priority), openedAtMs: atMs, parentId, policy });
    if (event.effect) this.#granted(event.effect.key, parentId);
  }

  #queued({ effectKey: key, parentId: at, request }: EventOf<"request_queued">): void {
    const rank =
      request.type === "open" ? RANKS.indexOf(request.priority) : (this.#facts.get(request.allocationId)?.rank ?? 0);
    const asked = request.type === "open" ? (request.limits.credits ?? 0) : request.by.credits;
    const needs = Math.min(asked, request.min.credits);
    this.#claims.set(key, { key, at, rank, needs, asked: new Set(), ...NO_PLAN });
  }

  #planned({ effectKey, parentId, givers, atMs }: EventOf<"claim_planned">): void {
    const claim = this.#claims.get(effectKey);
    if (!claim) throw this.#fault("A12.claim", `${JSON.stringify(effectKey)} claims and does not wait`, parentId);
    if (givers.length === 0) claim.kept = 0;
    for (const { allocationId, preemptionId } of givers) {
      const name = `${preemptionId} ${allocationId}`;
      if (claim.asked.has(name)) continue;
      claim.asked.add(name);
      this.#checkGiver(claim, allocationId, atMs);
    }
    claim.givers = new Set(givers.map(({ allocationId, preemptionId }) => `${preemptionId} ${allocationId}`));
    claim.asksForFree = givers.every(({ mode }) => mode === "SHRINK");
    claim.isAnswered = false;
  }

  /** All events of a commit were told. */
  commitEnds(): void {
    for (const claim of this.#claims.values()) {
      const wasAnswered = claim.isAnswered;
      claim.isAnswered = false;
      if (!wasAnswered || !claim.asksForFree || ![...claim.givers].every((name) => this.#isOver(name))) continue;
      const message = `${JSON.stringify(claim.key)} has all that is free where it asked, waits still, and is not planned again`;
      throw this.#fault("A12.again", message, claim.at);
    }
  }

  #answers({ allocationId, preemptionId }: { readonly allocationId: string; readonly preemptionId: string }): void {
    const name = `${preemptionId} ${allocationId}`;
    for (const claim of this.#claims.values()) if (claim.givers.has(name)) claim.isAnswered = true;
  }

  /** It has given what was asked for, or has no more of it that is free, and is held by another daemon, which says so itself. */
  #isOver(name: string): boolean {
    const [preemptionId = "", id = ""] = name.split(" ");
    const shrink = this.#shrinks.get(id)?.get(preemptionId);
    return this.#ledger.nodes.get(id)?.side === "delegated" && (!shrink || shrink.isDry);
  }

  #checkGiver(claim: Claim, id: string, atMs: number): void {
    const fact = this.#facts.get(id);
    const who = `${id} is made to give way to ${JSON.stringify(claim.key)}`;
    const { strategy } = this.#policies.at(claim.at);
    if (strategy !== "PREEMPTION_ALLOWED") throw this.#fault("A12.strategy", `${who} under ${strategy}`, id);
    if (!fact || fact.parentId !== claim.at) throw this.#fault("A12.place", `${who}, and is not under ${claim.at}`, id);
    if (fact.rank >= claim.rank) {
      throw this.#fault("A12.priority", `${who}: ${RANKS[fact.rank]} is not below ${RANKS[claim.rank]}`, id);
    }
    const protectMs = this.#protectMs(claim.at);
    if (atMs - fact.openedAtMs >= protectMs) return;
    throw this.#fault(
      "A12.protected",
      `${who} ${atMs - fact.openedAtMs} ms after it was granted, not ${protectMs}`,
      id,
    );
  }

  #protectMs(id: string): number {
    for (let at: string | undefined = id; at !== undefined; at = this.#facts.get(at)?.parentId) {
      const { inherited, preemption: rules = inherited?.preemption } = this.#facts.get(at)?.policy ?? {};
      if (rules) return rules.protectMs ?? USUAL_PROTECT_MS;
    }
    return USUAL_PROTECT_MS;
  }

  #requested({ allocationId: id, preemptionId, mode, wanted, exhausted }: EventOf<"reclaim_requested">): void {
    if (mode !== "SHRINK") return;
    const shrinks = this.#shrinks.get(id) ?? new Map<string, Shrink>();
    this.#shrinks.set(id, shrinks);
    const known = shrinks.get(preemptionId);
    if (known && exhausted) {
      known.isDry = true;
      this.#answers({ allocationId: id, preemptionId });
    }
    if (known && !exhausted) known.owed = wanted.credits;
    if (!known) shrinks.set(preemptionId, { owed: wanted.credits, isDry: false });
    if (known || wanted.credits === 0 || !preemptionId.startsWith(FOR_CLAIM)) return;
    for (const [name, { owed, isDry }] of shrinks) {
      if (!isDry || owed === 0) continue;
      throw this.#fault("A12.dry", `${id} is asked for ${wanted.credits} more, and has none for ${name}`, id);
    }
  }

  /** What comes back by a preemption of a claim is kept for it. */
  #gave({ allocationId, preemptionId, by }: EventOf<"limit_lowered">): void {
    const shrink = preemptionId === undefined ? undefined : this.#shrinks.get(allocationId)?.get(preemptionId);
    if (shrink) shrink.owed -= by.credits;
    if (preemptionId === undefined || by.credits === 0 || this.#isAskedAbove(allocationId)) return;
    for (const claim of this.#claims.values()) {
      if (claim.givers.has(`${preemptionId} ${allocationId}`))
        claim.kept = Math.min(claim.needs, claim.kept + by.credits);
    }
  }

  /** Whether something over this one may itself have to give back: then that comes first. */
  #isAskedAbove(id: string): boolean {
    for (let at = this.#facts.get(id)?.parentId; at !== undefined; at = this.#facts.get(at)?.parentId) {
      if (this.#owing.has(at)) return true;
    }
    return false;
  }

  #moved({ effectKey, by, fromEffectKey }: EventOf<"room_reserved">): void {
    const from = fromEffectKey === undefined ? undefined : this.#claims.get(fromEffectKey);
    const claim = this.#claims.get(effectKey);
    if (!claim || (fromEffectKey !== undefined && (!from || from.rank >= claim.rank))) {
      throw this.#fault("A12.taken", `${JSON.stringify(effectKey)} is given what is kept for its equal`, effectKey);
    }
    if (from) from.kept = Math.max(0, from.kept - by.credits);
  }

  /** Whoever else is granted something leaves what is kept. */
  #granted(key: string, at: string | undefined): void {
    const isClaim = this.#granting === key;
    this.#granting = undefined;
    const node = at === undefined ? undefined : this.#ledger.nodes.get(at);
    if (!node || node.unlimited.credits) return;
    const kept = this.#keptAt(node.id);
    const { available } = booksOf(node, "credits");
    if (available >= kept) return;
    const who = `${JSON.stringify(key)}${isClaim ? ", which waited," : ""}`;
    throw this.#fault(
      "A12.kept",
      `${who} leaves ${available} credits of the ${kept} that others gave up for claims`,
      node.id,
    );
  }

  #keptAt(id: string): number {
    let kept = 0;
    for (const claim of this.#claims.values()) if (claim.at === id) kept += claim.kept;
    return kept;
  }

  #bound(): void {
    for (const claim of this.#claims.values()) {
      if (claim.kept === 0) continue;
      const node: Node | undefined = this.#ledger.nodes.get(claim.at);
      const available = node ? booksOf(node, "credits").available : 0;
      claim.kept = Math.min(claim.kept, Math.max(0, available - (this.#keptAt(claim.at) - claim.kept)));
    }
  }

  #fault(check: string, message: string, about: string): Violation {
    return new Violation(check, `${this.#ledger.owner}: ${message}`, [about, this.#ledger.owner]);
  }
}
