/**
 * The state of one tier's part of the tree. Changed by `evolve` alone; everything here can be rebuilt from the events.
 * The due indexes and the effect queue are indexes over it, kept in step by the same code.
 */
import { LIMITS } from "#std";
import { type Amount, add, ZERO } from "./amount.ts";
import { NO_ENTRIES, NO_ITEMS } from "./collections.ts";
import type { GrantWish } from "./command.ts";
import { DueIndex } from "./due-index.ts";
import type { AllocationOpened, HoldPlaced } from "./event.ts";
import type { KeptOpening, OutcomeOf } from "./outcome.ts";
import type { AllocationKind, AllocationState, Policy, PreemptionMode, Priority, Side } from "./policy.ts";
import { type Amounts, type Consumable, type Demand, type HeldResource, NOTHING } from "./resource.ts";

/**
 * The books of one consumable: limit + debt = available + reserved + unconfirmed + granted + inDoubt + spent (I1).
 * For a node granted to another daemon, `available` and `spent` stand for what that daemon has not and has reported as used.
 */
export interface Book {
  /** Not limited: `limit` follows what is used and `available` stays zero. */
  readonly elastic: boolean;
  limit: Amount;
  debt: Amount;
  available: Amount;
  reserved: Amount;
  unconfirmed: Amount;
  granted: Amount;
  inDoubt: Amount;
  spent: Amount;
  /** Cost beyond the holds, ever; part of `spent`. */
  overrun: Amount;
  /** What this subtree is known to have used: `spent` plus the usage of open children. */
  usage: Amount;
}

/** A held resource: Σ(open children's share + calls' holds) ≤ limit (I4). */
export interface HeldBook {
  readonly elastic: boolean;
  limit: Amount;
  inUse: Amount;
  peak: Amount;
}

/** Work measured but not limited, cumulative over the subtree. Bytes, milliseconds, counts. */
export interface Tally {
  networkBytes: number;
  diskBytes: number;
  gpuMs: number;
  memoryPeakBytes: number;
  /** Settled calls per tool or model name; beyond LIMITS.toolNamesMax names the rest counts under "other". */
  callsPerTool: ReadonlyMap<string, number>;
}

/** What a preemption still asks of an allocation. */
export interface Reclaim {
  readonly preemptionId: string;
  readonly mode: PreemptionMode;
  readonly reason: string;
  readonly wanted: Amounts;
  reclaimed: Amounts;
}

/** A request waiting at its parent for room. */
export interface Waiter {
  readonly effectKey: string;
  readonly parentId: string;
  readonly request: GrantWish;
  readonly demand: Demand;
  readonly fingerprint: number;
  readonly untilMs: number;
  readonly sequence: number;
}

/** What a person wrote off at a delegated allocation. */
export interface WriteOff {
  /** Counted as spent here, and not corrected by a true account. */
  readonly credits: Amount;
  readonly toolCalls: Amount;
  /** Awaiting: the true account may still come. Corrected: it came, and nothing is written off here any more. */
  readonly standing: "none" | "awaiting" | "corrected";
}

export const NO_WRITE_OFF: WriteOff = Object.freeze({ credits: ZERO, toolCalls: ZERO, standing: "none" });

export interface Allocation {
  readonly id: string;
  readonly parent: Allocation | undefined;
  readonly name: string;
  readonly path: string;
  readonly depth: number;
  readonly kind: AllocationKind;
  readonly side: Side;
  readonly priority: Priority;
  readonly weight: number;
  readonly openedAtMs: number;
  /** Engine time after which no new work is taken. */
  readonly deadlineAtMs: number | undefined;
  /** The instance that holds it (delegated) or granted it (received). */
  readonly peer: string | undefined;
  readonly token: string | undefined;
  /** Consumables of which it keeps nothing free (see OpenWish.pooled). */
  readonly pooled: readonly Consumable[];
  readonly priorityBonus: Amount;
  readonly emergencyReserve: Amount;
  policy: Policy;
  state: AllocationState;
  closingReason: string | undefined;
  closedAtMs: number | undefined;
  epoch: number;
  leaseTtlMs: number;
  /** End of the lease by this daemon's engine time; undefined for local nodes. */
  leaseEndsAtMs: number | undefined;
  /** Delegated: the lease ended unrenewed; what was not reported is in doubt. */
  doubtful: boolean;
  /** Counters of the grant across daemons; see budgets.md "two counters, two writers". */
  grantedTotal: Amounts;
  returnedTotal: Amounts;
  /** Delegated: sequence of the latest report. Here: how often the usage has changed; a report of it has the next number. */
  usageSequence: number;
  /** Corrections in the usage: of a delegated node those that its holder reported, else those that came up from below. */
  corrections: number;
  writtenOff: WriteOff;
  /**
   * True accounts that are still missing in this subtree: one for each delegated node that is written off, one for each whose holder says
   * that its usage is provisional. While there is one, the record of a closed node is kept.
   */
  uncorrected: number;
  readonly books: { readonly [C in Consumable]: Book };
  readonly held: { readonly [H in HeldResource]: HeldBook };
  readonly tally: Tally;
  /** Open and closing children. */
  children: ReadonlySet<Allocation>;
  /** Who holds delegated children here, and how many: they may ask for more. */
  holders: ReadonlyMap<string, number>;
  /** The latest closed children, for reports; at most LIMITS.closedChildrenMax. */
  readonly closedChildren: Allocation[];
  holds: ReadonlySet<Hold>;
  /** How many of the holds are live, that is neither lapsed nor ended. */
  liveHolds: number;
  reclaims: ReadonlyMap<string, Reclaim>;
  /** Preemptions that are over, for an equal request that comes again; the latest LIMITS.endedReclaimsMax. */
  endedReclaims: ReadonlyMap<string, Reclaim>;
  readonly waiters: Waiter[];
  notes: ReadonlyMap<string, string>;
  /** Requests whose answers are kept until this allocation has ended and ten minutes more. */
  readonly effectKeys: string[];
}

export type HoldState = "live" | "lapsed" | "ended";

export interface Hold {
  readonly id: string;
  readonly allocation: Allocation;
  readonly what: "model" | "tool" | "code";
  readonly name: string;
  readonly amounts: Amounts;
  readonly clamped: boolean;
  state: HoldState;
  expiresAtMs: number;
  readonly effectKey: string;
  /** Cumulative cost so far. */
  charged: { credits: Amount; toolCalls: Amount };
}

/** The kept answer of a request that had an effect, as a copy: what it speaks of may be gone. */
export interface Effect {
  readonly fingerprint: number;
  readonly answer: KeptOpening | OutcomeOf<"raised" | "held" | "written_off"> | Waiter;
}

export interface BudgetState {
  /** The latest time any event carried. */
  engineTimeMs: number;
  readonly allocations: Map<string, Allocation>;
  readonly roots: Set<Allocation>;
  /** How often the daemon has started on this journal. */
  lives: number;
  /** Sum of `uncorrected` over the roots. */
  uncorrected: number;
  /** Closed received grants whose final account the tier above has not acknowledged, or that may still be corrected; in that order. */
  readonly unacknowledged: Set<Allocation>;
  /** Closed received grants that may be given up, in the order of their acknowledgement; at most LIMITS.closedRootsMax. */
  readonly acknowledged: Set<Allocation>;
  readonly holds: Map<string, Hold>;
  readonly effects: Map<string, Effect>;
  /** Ended subjects in order of their end: what may be forgotten, and when. */
  readonly ended: EndedQueue;
  waiterSequence: number;
  readonly due: {
    readonly holds: DueIndex<Hold>;
    readonly leases: DueIndex<Allocation>;
    readonly deadlines: DueIndex<Allocation>;
    readonly waiters: DueIndex<Waiter>;
  };
}

/** A hold or allocation that ended, with the effects to forget ten minutes later. */
export interface EndedSubject {
  readonly id: string;
  readonly effectKeys: readonly string[];
  readonly forgetAtMs: number;
}

/** Ended subjects in the order in which they are forgotten. */
export class EndedQueue {
  #items: EndedSubject[] = [];
  #head = 0;

  push(subject: EndedSubject): void {
    this.#items.push(subject);
  }

  nextAtMs(): number | undefined {
    return this.#items[this.#head]?.forgetAtMs;
  }

  /** What waits to be forgotten, in that order. */
  *items(): Generator<EndedSubject, void> {
    for (let at = this.#head; at < this.#items.length; at += 1) yield this.#items[at] as EndedSubject;
  }

  takeUpTo(timeMs: number): EndedSubject[] {
    const taken: EndedSubject[] = [];
    for (let item = this.#items[this.#head]; item && item.forgetAtMs <= timeMs; item = this.#items[this.#head]) {
      taken.push(item);
      this.#head += 1;
    }
    if (this.#head > LIMITS.endedQueueSlackMax && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }
}

export function createState(): BudgetState {
  return {
    engineTimeMs: 0,
    allocations: new Map(),
    roots: new Set(),
    lives: 0,
    uncorrected: 0,
    unacknowledged: new Set(),
    acknowledged: new Set(),
    holds: new Map(),
    effects: new Map(),
    ended: new EndedQueue(),
    waiterSequence: 0,
    due: {
      holds: new DueIndex(LIMITS.dueBucketMs),
      leases: new DueIndex(LIMITS.dueBucketMs),
      deadlines: new DueIndex(LIMITS.dueBucketMs),
      waiters: new DueIndex(LIMITS.dueBucketMs),
    },
  };
}

function createBook(limit: Amount | undefined): Book {
  return {
    elastic: limit === undefined,
    limit: ZERO,
    debt: ZERO,
    available: ZERO,
    reserved: ZERO,
    unconfirmed: ZERO,
    granted: ZERO,
    inDoubt: ZERO,
    spent: ZERO,
    overrun: ZERO,
    usage: ZERO,
  };
}

function createHeldBook(limit: Amount | undefined): HeldBook {
  return { elastic: limit === undefined, limit: limit ?? ZERO, inUse: ZERO, peak: ZERO };
}

/** A new open allocation whose consumable limits are still zero; `evolve` raises them through the books. */
export function createAllocation(event: AllocationOpened, parent: Allocation | undefined): Allocation {
  const { limits } = event;
  return {
    id: event.allocationId,
    parent,
    name: event.name,
    path: event.path,
    depth: event.depth,
    kind: event.kind,
    side: event.side,
    priority: event.priority,
    weight: event.weight,
    openedAtMs: event.atMs,
    deadlineAtMs: event.deadlineAtMs,
    peer: event.peer,
    token: event.token,
    pooled: event.pooled,
    priorityBonus: limits.priorityBonus ?? ZERO,
    emergencyReserve: limits.emergencyReserve ?? ZERO,
    policy: event.policy,
    state: "open",
    closingReason: undefined,
    closedAtMs: undefined,
    epoch: event.epoch,
    leaseTtlMs: event.leaseTtlMs,
    leaseEndsAtMs: event.leaseEndsAtMs,
    doubtful: false,
    grantedTotal: NOTHING,
    returnedTotal: NOTHING,
    usageSequence: 0,
    corrections: 0,
    writtenOff: NO_WRITE_OFF,
    uncorrected: 0,
    books: { credits: createBook(limits.credits), toolCalls: createBook(limits.toolCalls) },
    held: { branches: createHeldBook(limits.branches), memoryBytes: createHeldBook(limits.memoryBytes) },
    tally: { networkBytes: 0, diskBytes: 0, gpuMs: 0, memoryPeakBytes: 0, callsPerTool: NO_ENTRIES },
    children: NO_ITEMS,
    holders: NO_ENTRIES,
    closedChildren: [],
    effectKeys: event.effect === undefined ? [] : [event.effect.key],
    holds: NO_ITEMS,
    liveHolds: 0,
    reclaims: NO_ENTRIES,
    endedReclaims: NO_ENTRIES,
    waiters: [],
    notes: NO_ENTRIES,
  };
}

export function createHold(event: HoldPlaced, allocation: Allocation): Hold {
  return {
    id: event.holdId,
    allocation,
    what: event.what,
    name: event.name,
    amounts: event.amounts,
    clamped: event.clamped,
    state: "live",
    expiresAtMs: event.expiresAtMs,
    effectKey: event.effect.key,
    charged: { credits: ZERO, toolCalls: ZERO },
  };
}

/** The node of this daemon under which `node` stands highest: an account or a received grant. */
export function rootOf(node: Allocation): Allocation {
  let root = node;
  while (root.parent) root = root.parent;
  return root;
}

const ONE_SLOT = 1 as Amount;

/** Slots that an open child takes of its parent: what it was granted, and one for itself unless it is an account. */
export function slotsTaken(kind: AllocationKind, branches: Amount): Amount {
  return kind === "account" ? branches : add(branches, ONE_SLOT);
}

/** The child's share of its parent's held resource. */
export function heldShare(child: Allocation, resource: HeldResource): Amount {
  const limit = child.held[resource].limit;
  return resource === "branches" ? slotsTaken(child.kind, limit) : limit;
}
