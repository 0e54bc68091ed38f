/**
 * The state of one tier's part of the tree. Changed by `evolve` alone; everything here can be rebuilt from the events.
 * The due indexes are indexes over it, kept in step by the same code.
 */
import { HashSlots, LIMITS, TextHash, TextMap } from "#std";
import { NameBook } from "./access-names.ts";
import { type Amount, add, ZERO } from "./amount.ts";
import { NO_ENTRIES, NO_ITEMS, NO_LIST, type Texts } from "./collections.ts";
import { DueIndex } from "./due-index.ts";
import { Effects } from "./effects.ts";
import { EndedMemory } from "./ended-memory.ts";
import type { AllocationOpened, HoldPlaced } from "./event.ts";
import type { Charged, KeptAnswer } from "./kept-answer.ts";
import { type Books, blankBooks, type HeldBooks, heldBookOf, openHeldBooks } from "./ledger.ts";
import {
  type AllocationKind,
  type AllocationState,
  isEmptyPolicy,
  type Policy,
  type Priority,
  type Side,
} from "./policy.ts";
import { Reservations } from "./reservation.ts";
import { type Amounts, type Consumable, type HeldResource, NOTHING } from "./resource.ts";
import { type Reclaim, WithSeldom, type WriteOff } from "./seldom.ts";
import { Shadows } from "./shadows.ts";
import type { ShareWish } from "./share-wish.ts";
import { sharedPolicy } from "./shared-policy.ts";
import { type Tranches, tranchesOf } from "./tranches.ts";
import { Victims } from "./victims.ts";
import type { Waiter } from "./waiter.ts";

export type { Reclaim, Waiter, WriteOff };

/** Work measured but not limited, cumulative over the subtree. Bytes, milliseconds, counts. */
export interface Tally {
  networkBytes: number;
  diskBytes: number;
  gpuMs: number;
  memoryPeakBytes: number;
  /** Settled calls per tool or model name; beyond LIMITS.toolNamesMax names the rest counts under "other". */
  callsPerTool: ReadonlyMap<string, number>;
}

/** The tally of a node where nothing is counted yet. */
const NO_TALLY: Readonly<Tally> = Object.freeze({
  networkBytes: 0,
  diskBytes: 0,
  gpuMs: 0,
  memoryPeakBytes: 0,
  callsPerTool: NO_ENTRIES,
});

/** The tally of a node, to be written to. */
export function ownTally(node: Allocation): Tally {
  if (node.tally === NO_TALLY) node.tally = { ...NO_TALLY };
  return node.tally;
}

const NO_POLICY: Policy = Object.freeze({});

/** What an allocation is opened with, as its event says it. */
export interface Opening extends Omit<AllocationOpened, "type" | "parentId" | "path" | "effect"> {
  /** Of a node without a parent here. */
  readonly path: string | undefined;
}

/** A node of the tree. Its consumable limits are zero at first; `evolve` raises them through the books. For its fields see ledger.ts and seldom.ts. */
export class Allocation extends WithSeldom<Allocation> {
  readonly id: string;
  readonly parent: Allocation | undefined;
  readonly name: string;
  readonly depth: number;
  readonly kind: AllocationKind;
  readonly side: Side;
  readonly priority: Priority;
  readonly weight: number;
  readonly openedAtMs: number;
  /** Engine time after which no new work is taken. */
  deadlineAtMs: number | undefined;
  /** The instance that holds it (delegated) or granted it (received). */
  readonly peer: string | undefined;
  readonly token: string | undefined;
  /** Consumables of which it keeps nothing free (see OpenWish.pooled). */
  readonly pooled: readonly Consumable[];
  /** What is carved inside its credits. Shared by all that carve nothing. */
  tranches: Tranches;
  policy: Policy;
  state: AllocationState;
  closingReason: string | undefined;
  closedAtMs: number | undefined;
  epoch: number;
  leaseTtlMs: number;
  /** End of the lease by this daemon's engine time; undefined for local nodes. */
  leaseEndsAtMs: number | undefined;
  /** Counters of the grant across daemons; see budgets.md "two counters, two writers". */
  grantedTotal: Amounts;
  returnedTotal: Amounts;
  /** Delegated: sequence of the latest report. Here: how often the usage has changed; a report of it has the next number. */
  usageSequence: number;
  readonly books: Books;
  held: HeldBooks;
  tally: Readonly<Tally>;
  /** Its neighbours among the children of its parent; written by that list alone. */
  older: Allocation | undefined;
  younger: Allocation | undefined;
  holds: ReadonlySet<Hold>;
  /** How many of the holds are live, that is neither lapsed nor ended. */
  liveHolds: number;
  /** Requests whose answers are kept until this allocation has ended and ten minutes more. */
  effectKeys: Texts;
  /** Of a node without a parent here, and of one that has been asked for those of its children; the others' follow from their names. */
  #path: string | undefined;

  constructor(opening: Opening, parent: Allocation | undefined) {
    super();
    const { limits, policy, pooled } = opening;
    this.id = opening.allocationId;
    this.parent = parent;
    this.name = opening.name;
    this.#path = parent ? undefined : opening.path;
    this.depth = opening.depth;
    this.kind = opening.kind;
    this.side = opening.side;
    this.priority = opening.priority;
    this.weight = opening.weight;
    this.openedAtMs = opening.atMs;
    this.deadlineAtMs = opening.deadlineAtMs;
    this.peer = opening.peer;
    this.token = opening.token;
    this.pooled = pooled.length === 0 ? NO_LIST : pooled;
    this.tranches = tranchesOf(limits);
    this.policy = isEmptyPolicy(policy) ? NO_POLICY : sharedPolicy(policy);
    this.state = "open";
    this.closingReason = undefined;
    this.closedAtMs = undefined;
    this.epoch = opening.epoch;
    this.leaseTtlMs = opening.leaseTtlMs;
    this.leaseEndsAtMs = opening.leaseEndsAtMs;
    this.grantedTotal = NOTHING;
    this.returnedTotal = NOTHING;
    this.usageSequence = 0;
    this.books = blankBooks(limits);
    this.held = openHeldBooks(limits);
    this.tally = NO_TALLY;
    this.older = undefined;
    this.younger = undefined;
    this.holds = NO_ITEMS;
    this.liveHolds = 0;
    this.effectKeys = NO_LIST;
  }

  get priorityBonus(): Amount {
    return this.tranches.carve.bonus;
  }

  get emergencyReserve(): Amount {
    return this.tranches.carve.emergency;
  }

  get wrapUpReserve(): Amount {
    return this.tranches.carve.wrapUp;
  }

  /** The names from the top of the tree, with slashes between them. */
  get path(): string {
    return this.#path ?? (this.parent ? this.parent.pathTo(this.name) : this.name);
  }

  /** The path of a child of this name. Most nodes have no children: only those that are asked for it keep their own. */
  pathTo(name: string): string {
    this.#path ??= this.path;
    return `${this.#path}/${name}`;
  }
}

export type HoldState = "live" | "lapsed" | "ended";

/** A call in flight, and the effect of the request that placed it: the answer is what it says. For its fields see ledger.ts. */
export class Hold {
  readonly kind = "call";
  readonly id: string;
  readonly allocation: Allocation;
  readonly what: "model" | "tool" | "code";
  readonly name: string;
  readonly amounts: Amounts;
  readonly clamped: boolean;
  state: HoldState;
  expiresAtMs: number;
  readonly effectKey: string;
  /** Of its request. A snapshot tells it after the hold, as the next. */
  fingerprint: number;
  /** When it was to lapse by the answer to its request. */
  answeredUntilMs: number;
  /** Cumulative cost so far. */
  charged: Charged;

  constructor(placed: Placed, allocation: Allocation) {
    this.id = placed.holdId;
    this.allocation = allocation;
    this.what = placed.what;
    this.name = placed.name;
    this.amounts = placed.amounts;
    this.clamped = placed.clamped;
    this.state = "live";
    this.expiresAtMs = placed.expiresAtMs;
    this.effectKey = placed.effectKey;
    this.fingerprint = placed.fingerprint;
    this.answeredUntilMs = placed.expiresAtMs;
    this.charged = NOTHING_CHARGED;
  }
}

const NOTHING_CHARGED: Charged = Object.freeze({ credits: ZERO, toolCalls: ZERO });

/** What a hold is placed with. */
export interface Placed extends Pick<HoldPlaced, "holdId" | "what" | "name" | "amounts" | "clamped" | "expiresAtMs"> {
  readonly effectKey: string;
  readonly fingerprint: number;
}

/** The request opened an allocation, which is there. */
export interface KeptOpening {
  readonly kind: "opening";
  readonly fingerprint: number;
  readonly node: Allocation;
  /** These as they were answered. */
  readonly policy: Policy;
  readonly grantedTotal: Amounts;
  readonly epoch: number;
  readonly leaseTtlMs: number;
  readonly partial: boolean;
}

/**
 * What is remembered of a request that had an effect, for an equal one that comes again, or where it waits. The answers that there are most
 * of are not kept as such: of an opening only what may have changed since is kept, the rest the allocation knows; of a call the hold stands here.
 */
export type Effect = KeptOpening | Hold | KeptAnswer | Waiter;

export interface BudgetState {
  /** The latest time any event carried. */
  engineTimeMs: number;
  readonly allocations: TextMap<Allocation>;
  readonly roots: Set<Allocation>;
  /** Those of the roots that are not closed: few, where many that have closed are remembered. */
  readonly openRoots: Set<Allocation>;
  /** How often the daemon has started on this journal. */
  lives: number;
  /** The time since the machine was started, of the latest life; undefined: it answered no hold ahead of its sync. */
  bootId: string | undefined;
  /** Sum of `uncorrected` over the roots. */
  uncorrected: number;
  /** Closed received grants whose final account the tier above has not acknowledged, or that may still be corrected; in that order. */
  readonly unacknowledged: Set<Allocation>;
  /** Closed received grants that may be given up, in the order of their acknowledgement; at most LIMITS.closedRootsMax. */
  readonly acknowledged: Set<Allocation>;
  /** Calls in flight, live or lapsed. */
  readonly holds: TextMap<Hold>;
  readonly effects: Effects<Effect>;
  /** What has ended: calls, kept answers and allocations, in order of their end; what may be forgotten, and when. */
  readonly ended: EndedMemory;
  waiterSequence: number;
  /** What is reserved for later, at all nodes. */
  readonly reservations: Reservations;
  readonly due: {
    readonly holds: DueIndex<Hold>;
    readonly leases: DueIndex<Allocation>;
    readonly deadlines: DueIndex<Allocation>;
    readonly waiters: DueIndex<Waiter>;
    /** Claims, by when they are looked at again. */
    readonly claims: DueIndex<Waiter>;
  };
  /** What is known of work that may have to give way. */
  readonly victims: Victims<Allocation>;
  /** Who holds names of tools and resources, and who waits for them. */
  readonly names: NameBook<Allocation>;
  /** What children wish of parents that divide by weight, and those parents; see sharing.ts. */
  readonly sharing: {
    readonly wishes: Map<Allocation, ShareWish>;
    /** An index of SharedNodes, built when it is needed: all of it follows from the rest. */
    readonly nodes: Map<Allocation, object>;
  };
  /** Where policies are tried beside those in force. */
  readonly shadows: Shadows<Allocation>;
}

/**
 * The state before the first event. `hashSeed`: a whole number, 0 … 2^53-1, that no caller of the daemon can know, so that nobody can choose
 * ids that fall together in its tables; nothing that is decided depends on it.
 */
export function createState(hashSeed = 0): BudgetState {
  const hash = () => new TextHash(hashSeed);
  const hashes = { allocations: hash(), keys: hash(), holds: hash() };
  const indexes = { keys: new HashSlots(), holds: new HashSlots() };
  const ended = new EndedMemory(hashes, indexes);
  return {
    engineTimeMs: 0,
    allocations: new TextMap(hashes.allocations),
    roots: new Set(),
    openRoots: new Set(),
    lives: 0,
    bootId: undefined,
    uncorrected: 0,
    unacknowledged: new Set(),
    acknowledged: new Set(),
    holds: new TextMap(hashes.holds, indexes.holds),
    effects: new Effects(hashes.keys, indexes.keys, ended),
    ended,
    waiterSequence: 0,
    reservations: new Reservations(),
    due: {
      holds: new DueIndex(LIMITS.dueBucketMs),
      leases: new DueIndex(LIMITS.dueBucketMs),
      deadlines: new DueIndex(LIMITS.dueBucketMs),
      waiters: new DueIndex(LIMITS.dueBucketMs),
      claims: new DueIndex(LIMITS.dueBucketMs),
    },
    victims: new Victims<Allocation>(),
    names: new NameBook<Allocation>(),
    sharing: { wishes: new Map(), nodes: new Map() },
    shadows: new Shadows<Allocation>(),
  };
}

/** The node of this daemon under which `node` stands highest: an account or a received grant. */
export function rootOf(node: Allocation): Allocation {
  let root = node;
  while (root.parent) root = root.parent;
  return root;
}

/** Whether the node is `top` or stands below it. */
export function isUnder(node: Allocation, top: Allocation): boolean {
  for (let at: Allocation | undefined = node; at; at = at.parent) if (at === top) return true;
  return false;
}

const ONE_SLOT = 1 as Amount;

/** Slots that an open child takes of its parent: what it was granted, and one for itself unless it is an account. */
export function slotsTaken(kind: AllocationKind, branches: Amount): Amount {
  return kind === "account" ? branches : add(branches, ONE_SLOT);
}

/** The child's share of its parent's held resource. */
export function heldShare(child: Allocation, resource: HeldResource): Amount {
  const limit = heldBookOf(child, resource).limit;
  return resource === "branches" ? slotsTaken(child.kind, limit) : limit;
}
