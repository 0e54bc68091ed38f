/**
 * Which received allocations have something to report, and when: at most one report per allocation is under way, so that an answer
 * belongs to exactly one sending and the lease counts from it. Changes are coalesced; a lease is renewed three times within its ttl, and
 * more often once little of it is left. A final account is told until it is answered, and again when a true account from below corrects it.
 * They are told in parts, each allocation in its turn: whoever takes them has something else to do in between.
 */
import { type Allocation, type BudgetState, usageOf } from "#budget";
import type { UsageItem } from "#ports";
import { LIMITS } from "#std";

interface Standing {
  /** Sequence of the last report that was answered. */
  ackedSequence: number;
  /** Engine time at which the last report was sent: when the lease in force was asked for, at the latest. */
  sentMs: number;
  /** Engine time before which nothing is sent: an interval after the last report, or as long as the parent asked for. */
  restUntilMs: number;
  /** The parent could not take the last one: the rest holds for a final account too. */
  refused: boolean;
  underWay: { readonly sequence: number; readonly sentMs: number; readonly final: boolean } | undefined;
}

/** What an answer means for the lease: it was asked for at this time. */
export interface Acknowledged {
  readonly sentMs: number;
  readonly final: boolean;
}

export class UsageReporter {
  readonly #standings = new Map<string, Standing>();
  /** Sequences of the final accounts that were answered on this connection. */
  readonly #finals = new Map<string, number>();
  /** How many reports wait for their answers. */
  #waiting = 0;
  readonly #open = new Walk();
  readonly #closed = new Walk();
  #hasMore = false;

  /** Whether the last part was full, so that more may be due. */
  get hasMore(): boolean {
    return this.#hasMore;
  }

  /** A part of the reports that are due now, marked as under way; at most LIMITS.usageReportsPartMax. */
  collect(state: BudgetState, nowMs: number): UsageItem[] {
    const due: UsageItem[] = [];
    const isFull = (): boolean => due.length === LIMITS.usageReportsPartMax;
    // What has closed and is told is not looked at: there may be many times more of it. Neither of the others waits for the other.
    for (let left = Math.max(state.openRoots.size, state.unacknowledged.size); left > 0 && !isFull(); left -= 1) {
      if (left <= state.unacknowledged.size) this.#look(this.#closed.nextOf(state.unacknowledged), nowMs, due);
      if (left <= state.openRoots.size && !isFull()) this.#look(this.#open.nextOf(state.openRoots), nowMs, due);
    }
    this.#hasMore = isFull();
    this.#forgetUnknown(state);
    return due;
  }

  #look(node: Allocation | undefined, nowMs: number, due: UsageItem[]): void {
    if (node?.side !== "received" || this.#isTold(node)) return;
    const standing = this.#standingOf(node);
    if (standing.underWay || !isDue(node, standing, nowMs)) return;
    const final = node.state === "closed";
    standing.underWay = { sequence: sequenceOf(node), sentMs: nowMs, final };
    standing.sentMs = nowMs;
    standing.restUntilMs = nowMs + LIMITS.usageReportIntervalMs;
    standing.refused = false;
    this.#waiting += 1;
    due.push(reportOf(node, final));
  }

  /** The parent has its final account as it stands now. */
  #isTold(node: Allocation): boolean {
    return node.state === "closed" && (this.#finals.get(node.id) ?? 0) >= sequenceOf(node);
  }

  #standingOf(node: Allocation): Standing {
    const known = this.#standings.get(node.id);
    if (known) return known;
    // What was never used needs no report until its lease is to be renewed.
    const fresh: Standing = {
      ackedSequence: 1,
      sentMs: (node.leaseEndsAtMs ?? node.openedAtMs) - node.leaseTtlMs,
      restUntilMs: 0,
      refused: false,
      underWay: undefined,
    };
    this.#standings.set(node.id, fresh);
    return fresh;
  }

  #forgetUnknown(state: BudgetState): void {
    if (this.#standings.size + this.#finals.size <= state.roots.size) return;
    for (const [id, standing] of this.#standings) {
      if (state.allocations.has(id)) continue;
      this.#answered(standing);
      this.#standings.delete(id);
    }
    for (const id of this.#finals.keys()) if (!state.allocations.has(id)) this.#finals.delete(id);
  }

  /** Takes the answer to the report under way; undefined when none is, or another one. */
  acknowledge(allocationId: string, sequence: number): Acknowledged | undefined {
    const standing = this.#standings.get(allocationId);
    const underWay = standing?.underWay;
    if (!standing || underWay?.sequence !== sequence) return undefined;
    this.#answered(standing);
    standing.ackedSequence = sequence;
    if (underWay.final) {
      this.#standings.delete(allocationId);
      this.#finals.set(allocationId, sequence);
    }
    return { sentMs: underWay.sentMs, final: underWay.final };
  }

  #answered(standing: Standing): void {
    if (standing.underWay) this.#waiting -= 1;
    standing.underWay = undefined;
  }

  /** No report waits for its answer. */
  get idle(): boolean {
    return this.#waiting === 0;
  }

  /** The parent could not take the report under way now: it is due again after `restMs`. */
  putBack(allocationId: string, sequence: number, restMs: number): void {
    const standing = this.#standings.get(allocationId);
    if (!standing || standing.underWay?.sequence !== sequence) return;
    standing.restUntilMs = standing.underWay.sentMs + restMs;
    standing.refused = true;
    this.#answered(standing);
  }

  /** The link is gone: what was under way is sent again on the next one, and what may still be corrected is told there too. */
  reset(): void {
    for (const standing of this.#standings.values()) this.#answered(standing);
    this.#finals.clear();
  }
}

/** Goes round from where the last part ended; what it goes through may come and go meanwhile. */
class Walk {
  #at: Iterator<Allocation, undefined> | undefined;

  nextOf(nodes: ReadonlySet<Allocation>): Allocation | undefined {
    const next = this.#at?.next();
    if (next && !next.done) return next.value;
    this.#at = nodes.values();
    return this.#at.next().value;
  }
}

/** Never 0, which answers no report: a directive comes with it. */
function sequenceOf(node: Allocation): number {
  return node.usageSequence + 1;
}

function isDue(node: Allocation, { ackedSequence, sentMs, restUntilMs, refused }: Standing, nowMs: number): boolean {
  const final = node.state === "closed";
  if (nowMs < restUntilMs && (refused || !final)) return false;
  if (final || sequenceOf(node) > ackedSequence) return true;
  // A lease that was given short, because little was left of the giver's own, says nothing about the pace of the next ones.
  const partMs = Math.max(node.leaseTtlMs, LIMITS.leaseTtlMsMin) / LIMITS.leaseRenewParts;
  const isShort = (node.leaseEndsAtMs ?? 0) - nowMs <= partMs;
  return nowMs - sentMs >= (isShort ? partMs / LIMITS.leaseRenewHaste : partMs);
}

function reportOf(node: Allocation, final: boolean): UsageItem {
  const { id: allocationId, epoch, state, returnedTotal } = node;
  const sequence = sequenceOf(node);
  return { allocationId, epoch, sequence, usage: usageOf(node), state, final, returnedTotal, trace: undefined };
}
