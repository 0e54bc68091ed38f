/**
 * The child's side of the connection to the tier above: says hello with everything it holds, asks for budget, returns surplus, reports
 * usage and keeps leases alive. A lost link ends neither work nor grants; it dials again with backoff and everything unanswered is sent
 * again, which counters, sequences and request ids make harmless.
 *
 * Every lease counts from when this side asked for it: with hello, or with a report. The parent is told this daemon's clock with all of
 * that and at least every third of a lease, so that the leases of grants can be counted by it too.
 */
import { type BudgetState, type InheritedPolicy, type Message, type StopTold, usageOf } from "#budget";
import { RefusalError } from "#errors";
import type {
  AllocationStanding,
  ChildLink,
  Clock,
  DownItem,
  GrantAnswer,
  GrantAsk,
  GrantHandover,
  HeldAllocation,
  Hello,
  IdSource,
  LeaseTerms,
  LowBudget,
  UpItem,
  UsageAck,
  UsageItem,
  Welcome,
} from "#ports";
import { backoffMs, LIMITS } from "#std";
import { leaseOfGrant } from "./handover.ts";
import { ReportSpans, type Tracing } from "./report-spans.ts";
import type { TierResourceManager } from "./tier-resource-manager.ts";
import { UsageReporter } from "./usage-reporter.ts";

export interface UplinkOptions {
  readonly loop: TierResourceManager;
  readonly clock: Clock;
  readonly ids: IdSource;
  /** Opens a connection; called again after each loss. */
  readonly dial: () => ChildLink;
  /** Who this daemon is, asked at each hello; the allocations, its life and its clock are added. */
  readonly identity: () => Omit<Hello, "allocations" | "life" | "clockMarkMs">;
  /** Told when the parent has answered hello, and when the link is lost. */
  readonly onState?: (state: { readonly connected: boolean; readonly error?: Error }) => void;
  /** The parent wants the work of an allocation to end; `stop`: by which preemption, if it is one. */
  readonly onStop: (allocationId: string, reason: string, stop?: StopTold) => void;
  /** What a held allocation draws on above is nearly used up. Default: nobody is told. */
  readonly onLowBudget?: (allocationId: string, low: LowBudget) => void;
  /** Opens spans for reports; default: none. */
  readonly tracing?: Tracing;
}

/** The tier above in one life of it. */
export interface ParentDaemon {
  readonly instance: string;
  readonly incarnation: string;
}

interface PendingAsk {
  readonly ask: GrantAsk;
  readonly onAnswer: (answer: GrantAnswer) => void;
  /** Nobody waits for it any more; told again with the request after a loss. */
  cancelled: boolean;
}

export class Uplink {
  readonly #options: UplinkOptions;
  readonly #reporter = new UsageReporter();
  readonly #spans: ReportSpans;
  readonly #asks = new Map<string, PendingAsk>();
  readonly #unsubscribe: () => void;
  #link: ChildLink | undefined;
  /** Who has welcomed this daemon on the present link, and as what: undefined from the loss of one link to the welcome on the next. */
  #welcome: (ParentDaemon & { readonly welcomeId: string }) | undefined;
  #helloSentMs = 0;
  #markSentMs = 0;
  #attempt = 0;
  #stopped = false;
  #cancelDial: () => void = () => undefined;
  #cancelReport: () => void = () => undefined;
  #onIdle: () => void = () => undefined;

  constructor(options: UplinkOptions) {
    this.#options = options;
    this.#spans = new ReportSpans(options.tracing);
    this.#unsubscribe = options.loop.subscribe((message) => this.#onMessage(message));
  }

  get connected(): boolean {
    return this.#welcome !== undefined;
  }

  /**
   * Whose welcome is in force. It knows every allocation of the hello that it answered, so a grant that is new here may be taken only from
   * it: one that another life of the parent handed over has gone back. Undefined while hello may be under way; a grant taken then would be
   * missing from it. To be looked at in the turn in which the grant is submitted to the loop.
   */
  get parent(): ParentDaemon | undefined {
    return this.#welcome;
  }

  /** Dials, and keeps dialling until `stop`. */
  start(): void {
    this.#connect();
  }

  /** Sends what is due, waits `graceMs` at most until it is answered, and ends the connection; nothing more is asked or reported. */
  async stop(graceMs: number = LIMITS.shutdownFlushMs): Promise<void> {
    let patient = true;
    const cancelGrace = this.#options.clock.after(graceMs, () => {
      patient = false;
      this.#onIdle();
    });
    await this.#reportAll();
    while (patient && this.#welcome && !this.#reporter.idle) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
      // A final account may have waited for the answer to the report before it.
      await this.#reportAll();
    }
    cancelGrace();
    this.#stopped = true;
    this.#unsubscribe();
    this.#cancelDial();
    this.#cancelReport();
    this.#link?.close();
  }

  /**
   * Asks the parent for budget. `onAnswer` is told at once of a wait, and once of the grant or denial; what was granted to an open
   * allocation is queued in the loop just before, so a command submitted from `onAnswer` finds it there. Asked again after a loss.
   * False, and nothing asked, when too many requests wait already.
   */
  ask(ask: GrantAsk, onAnswer: (answer: GrantAnswer) => void): boolean {
    if (this.#asks.size >= LIMITS.asksInFlightMax) return false;
    this.#asks.set(ask.requestId, { ask, onAnswer, cancelled: false });
    if (this.#welcome) this.#link?.send([{ type: "ask", ask }]);
    return true;
  }

  /** The request needs no answer any more; if it still waits, it is denied. */
  cancel(requestId: string): void {
    const pending = this.#asks.get(requestId);
    if (!pending) return;
    pending.cancelled = true;
    if (this.#welcome) this.#link?.send([{ type: "cancel", requestId }]);
  }

  #connect(): void {
    if (this.#stopped) return;
    this.#open().catch((error: unknown) => this.#dialLater(error instanceof Error ? error : new Error(String(error))));
  }

  async #open(): Promise<void> {
    const { loop, dial, identity } = this.#options;
    const said = await loop.read((state) => ({ life: state.lives, allocations: heldAllocations(state) }));
    if (this.#stopped) return;
    const link = dial();
    this.#link = link;
    link.onItems((items) => {
      // What a lost link still brings was said before hello; the new one brings it again.
      for (const item of items) if (this.#link === link) this.#onItem(item);
    });
    link.onClose((error) => this.#onLost(link, error));
    this.#helloSentMs = loop.nowMs();
    link.send([{ type: "hello", hello: { ...identity(), ...said, clockMarkMs: this.#helloSentMs } }]);
  }

  #onLost(link: ChildLink, error: Error | undefined): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    this.#welcome = undefined;
    this.#cancelReport();
    this.#reporter.reset();
    this.#spans.reset();
    this.#onIdle();
    this.#dialLater(error);
  }

  #dialLater(error: Error | undefined): void {
    if (this.#stopped) return;
    this.#options.onState?.({ connected: false, ...(error ? { error } : {}) });
    const { clock, ids } = this.#options;
    const { redialDelayFirstMs: baseMs, redialDelayMaxMs: maxMs } = LIMITS;
    const delayMs = backoffMs({ attempt: this.#attempt, baseMs, maxMs, random: ids.fraction() });
    this.#attempt += 1;
    this.#cancelDial = clock.after(delayMs, () => this.#connect());
  }

  #onItem(item: DownItem): void {
    if (item.type === "welcome") this.#onWelcome(item.welcome);
    else if (item.type === "decision") this.#onDecision(item.requestId, item.answer);
    else if (item.type === "revision") {
      const { type, ...counter } = item;
      this.#receiveLimit(counter);
    } else this.#onAck(item.ack);
  }

  #onWelcome({ instance, incarnation, welcomeId, allocations }: Welcome): void {
    this.#welcome = { instance, incarnation, welcomeId };
    this.#attempt = 0;
    // The parent takes nothing else before it has this answer.
    this.#sendWithMark([]);
    for (const standing of allocations) this.#takeStanding(standing);
    this.#options.onState?.({ connected: true });
    this.#askAgain();
    this.#scheduleReport();
  }

  #takeStanding({ state, lease, ...counter }: AllocationStanding): void {
    const { allocationId } = counter;
    if (state === "open") this.#receiveLimit(counter);
    if (lease) this.#renew(allocationId, lease, this.#helloSentMs);
    if (state === "open") return;
    this.#options.onStop(allocationId, state === undefined ? "unknown to the tier above" : "closed by the tier above");
  }

  #renew(allocationId: string, { epoch, ttlMs }: LeaseTerms, sentMs: number): void {
    this.#options.loop.submit({ type: "renew_lease", allocationId, epoch, endsAtMs: sentMs + ttlMs }, () => undefined);
  }

  /** A cancelled request too: what it was granted meanwhile is in its answer. */
  #askAgain(): void {
    const asks: UpItem[] = [];
    for (const { ask, cancelled } of this.#asks.values()) {
      asks.push({ type: "ask", ask });
      if (cancelled) asks.push({ type: "cancel", requestId: ask.requestId });
    }
    if (asks.length > 0) this.#link?.send(asks);
  }

  #receiveLimit(counter: LimitCounter): void {
    this.#options.loop.submit({ type: "receive_limit", ...counter }, () => undefined);
  }

  #onDecision(requestId: string, answer: GrantAnswer): void {
    if (answer.type === "raised") {
      const { allocationId, epoch, grantedTotal } = answer;
      this.#receiveLimit({ allocationId, epoch, grantedTotal });
    }
    const pending = this.#asks.get(requestId);
    if (answer.type !== "queued") this.#asks.delete(requestId);
    if (pending) pending.onAnswer(answer);
    else if (answer.type === "opened") this.#giveBack(answer.grant);
  }

  /** A grant that nobody waits for (the link repeated a request that had been denied) is taken and closed, so that it goes back. */
  #giveBack(grant: GrantHandover): void {
    const { loop } = this.#options;
    const { holderMarkMs, ...rest } = grant;
    const { allocationId } = grant;
    const received = { ...rest, leaseEndsAtMs: leaseOfGrant(grant, loop.nowMs()), peer: "parent", notes: [] } as const;
    loop.submit({ type: "receive_grant", ...received }, (outcome) => {
      if (outcome.type !== "opened" || outcome.repeated) return;
      loop.submit({ type: "close", allocationId, reason: "nobody waits for it any more" }, () => undefined);
    });
  }

  #onAck(ack: UsageAck): void {
    this.#takeAck(ack);
    if (this.#reporter.idle) this.#onIdle();
  }

  #takeAck(ack: UsageAck): void {
    const { allocationId, sequence, lease, error } = ack;
    const restMs = error instanceof RefusalError ? error.refusal.retryAfterMs : undefined;
    if (restMs !== undefined) {
      this.#reporter.putBack(allocationId, sequence, restMs);
      return;
    }
    const taken = this.#reporter.acknowledge(allocationId, sequence);
    if (taken) this.#spans.end(allocationId, { final: taken.final, ...(error ? { error: error.message } : {}) });
    if (taken && lease) this.#renew(allocationId, lease, taken.sentMs);
    if (taken?.final && wantsNoMore(error)) {
      this.#options.loop.submit({ type: "acknowledge_final", allocationId, sequence }, () => undefined);
    }
    if (ack.directive === "LOW_BUDGET") {
      if (ack.lowBudget) this.#options.onLowBudget?.(allocationId, ack.lowBudget);
    } else if (ack.directive === "STOP") this.#options.onStop(allocationId, ack.reason, ack.stop);
    else if (error && !taken?.final) this.#options.onStop(allocationId, error.message);
  }

  #scheduleReport(): void {
    const link = this.#link;
    this.#cancelReport();
    const afterMs = this.#reporter.hasMore ? LIMITS.usageReportsPauseMs : LIMITS.usageReportIntervalMs;
    this.#cancelReport = this.#options.clock.after(afterMs, () => {
      void this.#report().then(() => {
        if (this.#link === link && !this.#stopped) this.#scheduleReport();
      });
    });
  }

  async #reportAll(): Promise<void> {
    while ((await this.#report()) && this.#reporter.hasMore);
  }

  /** A part of what is due; false when nothing can be reported. */
  async #report(): Promise<boolean> {
    const link = this.#link;
    if (!link || !this.#welcome) return false;
    const reports = await this.#collect(link);
    if (this.#link !== link) return false;
    const markAgeMs = this.#options.loop.nowMs() - this.#markSentMs;
    if (reports.length === 0 && markAgeMs < LIMITS.leaseTtlMs / LIMITS.leaseRenewParts) return false;
    this.#sendWithMark(reports.map((report) => ({ type: "usage", report: this.#spans.begin(report) })));
    return true;
  }

  #sendWithMark(items: readonly UpItem[]): void {
    if (!this.#welcome) return;
    const { welcomeId } = this.#welcome;
    this.#markSentMs = this.#options.loop.nowMs();
    this.#link?.send([{ type: "mark", clockMarkMs: this.#markSentMs, welcomeId }, ...items]);
  }

  async #collect(link: ChildLink): Promise<UsageItem[]> {
    try {
      return await this.#options.loop.read((state, nowMs) =>
        this.#link === link ? this.#reporter.collect(state, nowMs) : [],
      );
    } catch (error) {
      // Too much waits here, or the loop has ended: what is due is due again after the next interval.
      if (error instanceof RefusalError) return [];
      throw error;
    }
  }

  #onMessage(message: Message): void {
    if (message.type === "returned") {
      // Before the welcome too: hello told the counter as it stood then.
      const { allocationId, epoch, returnedTotal } = message;
      this.#link?.send([{ type: "returned", allocationId, epoch, returnedTotal }]);
    }
    if (message.type === "closed" && message.side === "received") void this.#report();
  }
}

/** What hello tells: everything but what the parent has the final account of. */
function heldAllocations(state: BudgetState): HeldAllocation[] {
  const held: HeldAllocation[] = [];
  for (const node of state.roots) {
    if (node.side !== "received" || state.acknowledged.has(node)) continue;
    const { id: allocationId, epoch, grantedTotal, returnedTotal } = node;
    const final = node.state === "closed";
    held.push({ allocationId, epoch, usage: usageOf(node), grantedTotal, returnedTotal, final });
  }
  return held;
}

/**
 * The parent has taken the final account, or knows another holder. One that does not know the allocation may not be the one that granted it,
 * but a daemon on another journal in its place: the account is kept, and told on each new connection until its granter has it.
 */
function wantsNoMore(error: UsageAck["error"]): boolean {
  return error === undefined || (error instanceof RefusalError && error.refusal.reason === "NOT_PERMITTED");
}

interface LimitCounter {
  readonly allocationId: string;
  readonly epoch: number;
  readonly grantedTotal: HeldAllocation["grantedTotal"];
  readonly deadlineLeftMs?: number | undefined;
  readonly pausesOver?: readonly string[] | undefined;
  readonly inherited?: InheritedPolicy | undefined;
}
