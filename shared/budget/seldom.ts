/**
 * What few allocations ever have. All that have none of it share one record, which nobody may write to: a million open ones would otherwise
 * carry eleven empty fields each. Whoever writes something else than stands there gets a record of its own.
 */
import { type Amount, ZERO } from "./amount.ts";
import { NO_ENTRIES, NO_LIST } from "./collections.ts";
import type { PreemptionMode } from "./policy.ts";
import type { Amounts } from "./resource.ts";
import { NO_SIBLINGS, type Siblings } from "./siblings.ts";
import { NO_QUEUE, type WaitQueue } from "./wait-queue.ts";

/** What a preemption still asks of an allocation. */
export interface Reclaim {
  readonly preemptionId: string;
  readonly mode: PreemptionMode;
  readonly reason: string;
  readonly wanted: Amounts;
  /** Of a STOP: time to end in peace before force. */
  readonly graceMs?: number;
  /** Of a PAUSE or STOP for the sake of others: the work goes on, or is tried again, by itself when there is room. */
  readonly forOthers?: true;
  /** Of a SHRINK of a delegated allocation: its holder has said that nothing more is free there. */
  readonly exhausted?: true;
  reclaimed: Amounts;
  /** What delegated descendants were asked for it and have not given yet; absent: nothing. */
  asked?: Amounts | undefined;
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

interface Seldom<N> {
  doubtful: boolean;
  corrections: number;
  writtenOff: WriteOff;
  uncorrected: number;
  children: Siblings<N>;
  closedChildren: readonly N[];
  holders: ReadonlyMap<string, number>;
  reclaims: ReadonlyMap<string, Reclaim>;
  endedReclaims: ReadonlyMap<string, Reclaim>;
  waiters: WaitQueue;
  notes: ReadonlyMap<string, string>;
}

const NONE: Readonly<Seldom<never>> = Object.freeze({
  doubtful: false,
  corrections: 0,
  writtenOff: NO_WRITE_OFF,
  uncorrected: 0,
  children: NO_SIBLINGS,
  closedChildren: NO_LIST,
  holders: NO_ENTRIES,
  reclaims: NO_ENTRIES,
  endedReclaims: NO_ENTRIES,
  waiters: NO_QUEUE,
  notes: NO_ENTRIES,
});

/** The part of an allocation `N` that holds it. */
export class WithSeldom<N> {
  #seldom: Seldom<N> = NONE;

  #own(): Seldom<N> {
    if (this.#seldom === NONE) this.#seldom = { ...NONE };
    return this.#seldom;
  }

  /** Delegated: the lease ended unrenewed; what was not reported is in doubt. */
  get doubtful(): boolean {
    return this.#seldom.doubtful;
  }

  set doubtful(value: boolean) {
    if (value !== this.#seldom.doubtful) this.#own().doubtful = value;
  }

  /** Corrections in the usage: of a delegated node those that its holder reported, else those that came up from below. */
  get corrections(): number {
    return this.#seldom.corrections;
  }

  set corrections(value: number) {
    if (value !== this.#seldom.corrections) this.#own().corrections = value;
  }

  get writtenOff(): WriteOff {
    return this.#seldom.writtenOff;
  }

  set writtenOff(value: WriteOff) {
    if (value !== this.#seldom.writtenOff) this.#own().writtenOff = value;
  }

  /**
   * True accounts that are still missing in this subtree: one for each delegated node that is written off, one for each whose holder says
   * that its usage is provisional. While there is one, the record of a closed node is kept.
   */
  get uncorrected(): number {
    return this.#seldom.uncorrected;
  }

  set uncorrected(value: number) {
    if (value !== this.#seldom.uncorrected) this.#own().uncorrected = value;
  }

  /** Open and closing children. */
  get children(): Siblings<N> {
    return this.#seldom.children;
  }

  set children(value: Siblings<N>) {
    if (value !== this.#seldom.children) this.#own().children = value;
  }

  /** The latest closed children, for reports; at most LIMITS.closedChildrenMax. */
  get closedChildren(): readonly N[] {
    return this.#seldom.closedChildren;
  }

  set closedChildren(value: readonly N[]) {
    if (value !== this.#seldom.closedChildren) this.#own().closedChildren = value;
  }

  /** Who holds delegated children here, and how many: they may ask for more. */
  get holders(): ReadonlyMap<string, number> {
    return this.#seldom.holders;
  }

  set holders(value: ReadonlyMap<string, number>) {
    if (value !== this.#seldom.holders) this.#own().holders = value;
  }

  get reclaims(): ReadonlyMap<string, Reclaim> {
    return this.#seldom.reclaims;
  }

  set reclaims(value: ReadonlyMap<string, Reclaim>) {
    if (value !== this.#seldom.reclaims) this.#own().reclaims = value;
  }

  /** Preemptions that are over, for an equal request that comes again; the latest LIMITS.endedReclaimsMax. */
  get endedReclaims(): ReadonlyMap<string, Reclaim> {
    return this.#seldom.endedReclaims;
  }

  set endedReclaims(value: ReadonlyMap<string, Reclaim>) {
    if (value !== this.#seldom.endedReclaims) this.#own().endedReclaims = value;
  }

  get waiters(): WaitQueue {
    return this.#seldom.waiters;
  }

  set waiters(value: WaitQueue) {
    if (value !== this.#seldom.waiters) this.#own().waiters = value;
  }

  get notes(): ReadonlyMap<string, string> {
    return this.#seldom.notes;
  }

  set notes(value: ReadonlyMap<string, string>) {
    if (value !== this.#seldom.notes) this.#own().notes = value;
  }
}
