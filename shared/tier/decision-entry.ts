/** One decision as it is remembered: references to what was asked and answered, of which a record is made when somebody asks. */
import {
  type Allocation,
  type AllocationKind,
  type Amounts,
  type BudgetState,
  type Command,
  type CommandOf,
  type Consumable,
  type GrantWish,
  isNothing,
  type Message,
  monusAmounts,
  NOTHING,
  namesStrategy,
  type Outcome,
  type OutcomeOf,
  type Priority,
  type Refusal,
  type ShadowVerdict,
  type StrategyName,
  strategyNamedBy,
  type Verdict,
} from "#budget";
import { LIMITS } from "#std";

/** When a batch was decided: engine time, and wall clock for display. */
export interface When {
  readonly atMs: number;
  readonly wallMs: number;
}

/** The strategy in force at a node: the node whose policy names it, and its name; neither: the usual one. */
interface Rule {
  readonly at: Allocation | undefined;
  readonly name: StrategyName | undefined;
  /** It is the own strategy of the node. */
  readonly isOwn: boolean;
  /** Path of the node whose policy names it, which may be of another daemon. */
  readonly path: string;
}

interface Noted {
  /** Place among all that this daemon noted; set when it is kept. */
  number: number;
  readonly when: When;
  /** Empty where no request is behind it. */
  readonly requestId: string;
  /** Of a request the node that was asked, else the one that it is about. */
  readonly node: Allocation | undefined;
  /** What a policy that is tried there would have made of it; set before it is kept. */
  shadow?: ShadowVerdict;
}

interface GrantEntry extends Noted {
  readonly type: "granted";
  readonly allocationId: string;
  readonly name: string;
  readonly kind: AllocationKind;
  readonly priority: Priority;
  readonly pooled: readonly Consumable[];
  readonly isRaise: boolean;
  readonly granted: Amounts;
  readonly isPartial: boolean;
  /** Kept where not all of it was granted, or where it waited: otherwise it says nothing more. */
  readonly wish: GrantWish | undefined;
  readonly waitedMs: number | undefined;
  /** Of one that waited as the next attempt of what was preempted: since the first one came. */
  readonly sinceFirstMs: number | undefined;
  readonly requested: StrategyName | undefined;
  readonly rule: Rule;
}

interface RefusedEntry extends Noted {
  readonly type: "refused";
  /** One who asks again and again is one subject. */
  readonly subject: string;
  readonly command: GrantWish | CommandOf<"reserve"> | CommandOf<"receive_grant" | "reserve_ahead"> | undefined;
  readonly refusal: Refusal;
}

interface QueuedEntry extends Noted {
  readonly type: "queued";
  readonly wish: GrantWish;
  readonly outcome: OutcomeOf<"queued">;
}

interface PlainEntry extends Noted {
  readonly type: "other" | "closing";
  readonly verdict: Verdict;
}

export type Entry = GrantEntry | RefusedEntry | QueuedEntry | PlainEntry;

/** Requests that wait, by caller and request id. */
export type Waiting = Map<string, QueuedEntry>;

/** What the entries of one batch are made with. */
export class Known {
  readonly state: BudgetState;
  readonly waiting: Waiting;
  readonly when: When;
  /** Preemptions whose author was answered in this batch, and so needs no telling of how they ended. */
  readonly answered = new Set<string>();
  /** The node that was asked last, which mostly is asked next, and its rule. */
  #asked: { readonly node: Allocation; readonly rule: Rule } | undefined;

  constructor(state: BudgetState, waiting: Waiting, when: When) {
    this.state = state;
    this.waiting = waiting;
    this.when = when;
  }

  asked(id: string): { readonly node: Allocation; readonly rule: Rule } | undefined {
    if (this.#asked?.node.id === id) return this.#asked;
    const node = this.state.allocations.get(id);
    if (!node) return undefined;
    const at = namesStrategy(node);
    const named = at && strategyNamedBy(at);
    this.#asked = { node, rule: named ? { at, ...named } : NO_RULE };
    return this.#asked;
  }
}

const NO_RULE: Rule = Object.freeze({ at: undefined, name: undefined, isOwn: false, path: "" });

/** What is remembered of an outcome; nothing of the answer to a request that was answered before. */
export function entryOfOutcome(known: Known, command: Command, outcome: Outcome): Entry | undefined {
  if (command.type === "grant") {
    const { wish } = command;
    const entry =
      outcome.type === "queued" ? queuedEntry(known, wish, outcome) : grantEntry(known, wish, outcome, undefined);
    if (entry && "shadow" in outcome && outcome.shadow) entry.shadow = outcome.shadow;
    return entry;
  }
  if (!("allocationId" in command)) return undefined;
  const { state, when } = known;
  const { allocationId } = command;
  const node = state.allocations.get(allocationId);
  const requestId = requestIdOf(command);
  if (outcome.type === "refused") {
    // What a call lacks of what its allocation draws from above is decided there.
    if (command.type === "reserve" && node && node.pooled.length > 0) return undefined;
    const { type } = command;
    const told = type === "reserve" || type === "receive_grant" || type === "reserve_ahead" ? command : undefined;
    const subject = allocationId;
    const { refusal } = outcome;
    return { number: 0, when, requestId, node, type: "refused", subject, command: told, refusal };
  }
  const verdict = verdictOf(command, outcome, when.atMs);
  if (command.type === "reclaim") known.answered.add(preemptionKey(command));
  return verdict && { number: 0, when, requestId, node, type: "other", verdict };
}

function requestIdOf(command: Command): string {
  if ("requestId" in command) return command.requestId;
  return "preemptionId" in command ? command.preemptionId : "";
}

function verdictOf(command: Command, outcome: Outcome, atMs: number): Verdict | undefined {
  if (command.type === "reclaim" && outcome.type === "reclaimed") {
    const { preemptionId, mode, reason } = command;
    const { reclaimed, pending, waitingOn } = outcome;
    const preemption = { preemptionId, mode, reason, reclaimed, pending, waitingOn: waitingOn.length };
    return { decided: "PREEMPTED", preemption };
  }
  if (command.type === "reserve_ahead" && outcome.type === "reserved_ahead" && !outcome.repeated) {
    const { reservationId, amounts, startsAtMs, endsAtMs } = outcome;
    const times = { startsInMs: startsAtMs - atMs, lastsMs: endsAtMs - startsAtMs };
    return { decided: "RESERVED", reservationId, name: command.name, amounts, ...times };
  }
  if (command.type === "update_limits" && outcome.type === "updated" && !outcome.repeated) {
    const { before, after } = outcome;
    return { decided: "LIMITS_CHANGED", before, after, ...(command.strategy && { newStrategy: command.strategy }) };
  }
  if (command.type === "write_off" && outcome.type === "written_off" && !outcome.repeated) {
    return { decided: "WRITTEN_OFF", amounts: outcome.amounts, reason: command.reason };
  }
  return undefined;
}

/** A request that waits already is told its place again, which is no decision. */
function queuedEntry(known: Known, wish: GrantWish, outcome: OutcomeOf<"queued">): QueuedEntry | undefined {
  const { waiting, when, state } = known;
  const { requestId } = wish;
  const key = keyOf(wish);
  if (waiting.has(key)) return undefined;
  const node = askedNode(state, wish);
  const entry: QueuedEntry = { number: 0, when, requestId, node, type: "queued", wish, outcome };
  waiting.set(key, entry);
  const [oldest] = waiting.size > LIMITS.decisionsKept ? waiting.keys() : [];
  if (oldest !== undefined) waiting.delete(oldest);
  return entry;
}

/** `waited`: the entry of its waiting, when it did wait. */
function grantEntry(
  known: Known,
  wish: GrantWish | LostWish,
  outcome: Outcome,
  waited: QueuedEntry | undefined,
): Entry | undefined {
  const { state, when } = known;
  const { requestId } = wish;
  const whole = "waitMs" in wish ? wish : undefined;
  if (outcome.type === "refused") {
    const node = whole && askedNode(state, whole);
    const subject = whole ? subjectOf(whole) : requestId;
    const { refusal } = outcome;
    return { number: 0, when, requestId, node, type: "refused", subject, command: whole, refusal };
  }
  if ((outcome.type !== "opened" && outcome.type !== "raised") || outcome.repeated) return undefined;
  const { allocationId, partial: isPartial } = outcome;
  const isRaise = outcome.type === "raised";
  // A new allocation is as its answer says: there is no need to look for it.
  const about = isRaise ? state.allocations.get(allocationId) : outcome;
  if (!about) return undefined;
  const parentId = whole?.type === "open" ? whole.parentId : (state.allocations.get(allocationId)?.parent?.id ?? "");
  const asked = known.asked(parentId);
  return {
    number: 0,
    when,
    requestId,
    node: asked?.node,
    type: "granted",
    allocationId,
    name: about.name,
    kind: about.kind,
    priority: about.priority,
    pooled: about.pooled,
    isRaise,
    granted: isRaise ? outcome.by : outcome.grantedTotal,
    isPartial,
    wish: isPartial || waited ? whole : undefined,
    waitedMs: waited && when.atMs - (waited.wish.arrivedAtMs ?? waited.when.atMs),
    sinceFirstMs: waited && sinceFirst(known, waited.wish, allocationId),
    requested: whole?.strategy,
    rule: asked?.rule ?? NO_RULE,
  };
}

function sinceFirst({ state, when }: Known, wish: GrantWish, allocationId: string): number | undefined {
  if (wish.type !== "open" || wish.attemptOf === undefined) return undefined;
  const arrivedAtMs = state.victims.historyOf(allocationId)?.arrivedAtMs;
  return arrivedAtMs === undefined ? undefined : when.atMs - arrivedAtMs;
}

/** Of a wish that waited and is forgotten. */
type LostWish = Pick<GrantWish, "caller" | "requestId" | "type">;

/** What of the messages of a batch is a decision that no command of it was answered with. */
export function entryOfMessage(known: Known, message: Message): Entry | undefined {
  const { state, waiting, when } = known;
  if (message.type === "decided") {
    const key = keyOf(message);
    const waited = waiting.get(key);
    waiting.delete(key);
    const type = message.outcome.type === "raised" ? "raise" : "open";
    const { caller, requestId } = message;
    return grantEntry(known, waited?.wish ?? { type, caller, requestId }, message.outcome, waited);
  }
  if (message.type === "reclaim_child") return askedBack(known, message);
  if (message.type === "paused") return pausedHere(known, message);
  if (message.type === "noted") {
    const { allocationId, verdict } = message;
    return { number: 0, when, requestId: "", node: state.allocations.get(allocationId), type: "other", verdict };
  }
  const isEnd = message.type === "closing" || message.type === "closed";
  if (!isEnd && message.type !== "lease_ended" && message.type !== "reclaim_progress") return undefined;
  const node = state.allocations.get(message.allocationId);
  const noted = { number: 0, when, node } as const;
  if (message.type === "closing" || message.type === "closed") {
    const decided = message.type === "closing" ? "CLOSING" : "CLOSED";
    const verdict = { decided, reason: node?.closingReason ?? "" } as const;
    return { ...noted, requestId: "", type: "closing", verdict };
  }
  if (message.type === "lease_ended") {
    if (!node?.doubtful) return undefined;
    const amounts = monusAmounts(node.grantedTotal, node.returnedTotal);
    const verdict = { decided: "IN_DOUBT", holder: message.holder ?? "", amounts } as const;
    return { ...noted, requestId: "", type: "other", verdict };
  }
  if (!message.ended || known.answered.has(preemptionKey(message))) return undefined;
  const { preemptionId, reclaimed, pending } = message;
  // A pause stands when it has given all that it can.
  const told = node?.endedReclaims.get(preemptionId) ?? node?.reclaims.get(preemptionId);
  const preemption = { preemptionId, mode: told?.mode, reason: told?.reason ?? "", reclaimed, pending, waitingOn: 0 };
  return { ...noted, requestId: preemptionId, type: "other", verdict: { decided: "PREEMPTED", preemption } };
}

/** The engine has work stand still for others. What it gave at once is told with that. */
function pausedHere(known: Known, message: Extract<Message, { readonly type: "paused" }>): Entry | undefined {
  const { when, state, answered } = known;
  const key = preemptionKey(message);
  const { preemptionId, allocationId } = message;
  const node = state.allocations.get(allocationId);
  const reclaim = node?.reclaims.get(preemptionId) ?? node?.endedReclaims.get(preemptionId);
  if (!reclaim || answered.has(key)) return undefined;
  const { mode, reason, reclaimed, wanted } = reclaim;
  const pending = monusAmounts(wanted, reclaimed);
  if (isNothing(pending)) answered.add(key);
  const preemption = { preemptionId, mode, reason, reclaimed, pending, waitingOn: 0 };
  return {
    number: 0,
    when,
    requestId: preemptionId,
    node,
    type: "other",
    verdict: { decided: "PREEMPTED", preemption },
  };
}

/** A child in another daemon is asked to give budget back, for a preemption above it or a request that may take from it. */
function askedBack(known: Known, message: Extract<Message, { readonly type: "reclaim_child" }>): Entry | undefined {
  if (known.answered.has(preemptionKey(message))) return undefined;
  const { preemptionId, mode, reason, amounts: pending } = message;
  const preemption = { preemptionId, mode, reason, reclaimed: NOTHING, pending, waitingOn: 0 };
  const { when, state } = known;
  const node = state.allocations.get(message.allocationId);
  const verdict = { decided: "PREEMPTED", preemption } as const;
  return { number: 0, when, requestId: preemptionId, node, type: "other", verdict };
}

function preemptionKey({
  preemptionId,
  allocationId,
}: {
  readonly preemptionId: string;
  readonly allocationId: string;
}) {
  return `${preemptionId}\n${allocationId}`;
}

/** The entry of the waiting of a request, when it waits and is not forgotten. */
export function waitedAs(waiting: Waiting, of: Pick<GrantWish, "caller" | "requestId">): QueuedEntry | undefined {
  return waiting.get(keyOf(of));
}

function keyOf({ caller, requestId }: Pick<GrantWish, "caller" | "requestId">): string {
  return `${caller}\n${requestId}`;
}

function subjectOf(wish: GrantWish): string {
  return wish.type === "open" ? `${wish.parentId}/${wish.name}` : wish.allocationId;
}

/** The node that is asked for budget. */
export function askedNode({ allocations }: BudgetState, wish: GrantWish): Allocation | undefined {
  return wish.type === "open" ? allocations.get(wish.parentId) : allocations.get(wish.allocationId)?.parent;
}
