/**
 * The parent's side of the connections to the tier below: takes hellos, answers wishes and reports, passes counters and directives
 * down, and knows which children are there to be given work.
 */
import { type Message, type Outcome, type OutcomeOf, stopFor } from "#budget";
import { invalidArgument, RefusalError, type Tier } from "#errors";
import type {
  DownItem,
  GrantAnswer,
  GrantAsk,
  GrantHandover,
  Hello,
  IdSource,
  ItemError,
  ParentLink,
  Span,
  Telemetry,
  UsageItem,
} from "#ports";
import { LIMITS } from "#std";
import { ChildConnection, type ChildDaemon, type UpWork } from "./child-connection.ts";
import type { CommandInput } from "./command-input.ts";
import { lowBudgetItem, stopOf } from "./directives.ts";
import {
  accountsOf,
  forgottenBy,
  holdersOf,
  lowBudgetsOf,
  neverTaken,
  onTheWay,
  standingOf,
  untakenOf,
} from "./greeting.ts";
import { handoverOf } from "./handover.ts";
import { HelloOrder } from "./hello-order.ts";
import { errorOfOutcome } from "./refusal-error.ts";
import type { TierResourceManager } from "./tier-resource-manager.ts";
import { traceDecision, traceRefusal } from "./trace-decision.ts";
import { openWish, raiseWish } from "./wishes.ts";

export interface DownlinkOptions {
  readonly loop: TierResourceManager;
  readonly ids: IdSource;
  readonly tier: Tier;
  readonly identity: { readonly instance: string; readonly incarnation: string };
  /** Kind of a new allocation for a wish that names none. */
  readonly kindOfChildren: "run" | "step";
  /** Time to live of the leases of what children open for themselves. */
  readonly leaseTtlMs: number;
  /** Opens spans for asks and reports that are traced; default: none. */
  readonly telemetry?: Telemetry;
  /** Told once a child may be given work, and when it is gone. */
  readonly onChild?: (child: ChildDaemon, connected: boolean) => void;
}

export class Downlink {
  readonly #options: DownlinkOptions;
  readonly #connected = new Map<string, ChildConnection>();
  readonly #order = new HelloOrder();

  constructor(options: DownlinkOptions) {
    this.#options = options;
    options.loop.subscribe((message) => this.#onMessage(message));
  }

  /**
   * The children that may be given work, in the order in which they came: they have answered the welcome, and what they do not hold of
   * earlier grants has gone back.
   */
  children(): readonly ChildDaemon[] {
    return [...this.#connected.values()].filter(({ isOpen }) => isOpen).map(({ child }) => child);
  }

  child(instance: string): ChildDaemon | undefined {
    const connection = this.#connected.get(instance);
    return connection?.isOpen ? connection.child : undefined;
  }

  /** A grant as it is handed to `instance`, whose lease counts from the moment at which it was written down here. */
  handoverTo(instance: string, opened: OutcomeOf<"opened">): GrantHandover {
    const holderMarkMs = this.#connected.get(instance)?.clockAt(opened.decidedAtMs);
    return handoverOf(opened, { nowMs: this.#options.loop.nowMs(), holderMarkMs });
  }

  /** Takes a new connection; its first item is hello, and no other is. A hello that was overtaken by a later one ends it. */
  accept(link: ParentLink): void {
    let connection: ChildConnection | undefined;
    link.onItems((items) => {
      const work: UpWork[] = [];
      for (const item of items) {
        if (item.type !== "hello") {
          work.push(item);
        } else if (connection) {
          link.close(secondHello());
          return;
        } else {
          const refusal = this.#refusalOf(item.hello);
          if (refusal) {
            link.close(refusal);
            return;
          }
          connection = this.#register(link, item.hello);
          void this.#greet(connection, item.hello);
        }
      }
      if (connection) this.#take(connection, work);
    });
    link.onClose(() => {
      if (!connection || this.#connected.get(connection.child.instance) !== connection) return;
      this.#connected.delete(connection.child.instance);
      if (connection.isOpen) this.#options.onChild?.(connection.child, false);
    });
  }

  #refusalOf(hello: Hello): RefusalError | undefined {
    const { instance, life } = hello;
    if (!this.#connected.has(instance) && this.#connected.size >= LIMITS.childDaemonsMax) {
      const message = `${LIMITS.childDaemonsMax} daemons are connected here, which is as many as there may be`;
      return new RefusalError({ reason: "QUEUE_FULL", message, retryAfterMs: LIMITS.redialDelayMaxMs });
    }
    if (this.#order.admit(hello)) return undefined;
    const message = `a later hello of ${instance} was here than this one of its life ${life}: it was held up, or its journal is an old copy`;
    return new RefusalError({ reason: "JOURNAL_BEHIND", message });
  }

  #register(link: ParentLink, hello: Hello): ChildConnection {
    const { instance, incarnation, address, tier, capacity, clockMarkMs } = hello;
    const connection = new ChildConnection({ instance, incarnation, address, tier, capacity }, link);
    connection.note(clockMarkMs, this.#options.loop.nowMs());
    const before = this.#connected.get(instance);
    this.#connected.set(instance, connection);
    before?.link.close();
    return connection;
  }

  /** Books what hello says and answers it; a hello that finds too much waiting here must be said again. Then waits for the answer. */
  async #greet(connection: ChildConnection, hello: Hello): Promise<void> {
    const { loop, ids, identity } = this.#options;
    const { instance } = hello;
    try {
      await this.#refuseOldJournal(hello);
      await this.#book(accountsOf(hello));
      const { allocations, untaken, low } = await loop.read((state, nowMs) => {
        const full = this.#order.size > LIMITS.childDaemonsMax;
        if (full) this.#forget(holdersOf(state));
        const isFirst = !this.#order.hasReturned(hello);
        const untaken = untakenOf(state, hello, isFirst);
        // Kept in this turn, so that what is told of later changes comes after it.
        if (!isFirst) for (const revision of onTheWay(state, hello)) connection.keep(revision);
        return {
          allocations: hello.allocations.map((held) => standingOf(state, held, { instance, nowMs })),
          untaken: untaken.map((node) => ({ id: node.id, command: neverTaken(instance, node) })),
          low: lowBudgetsOf(state, hello),
        };
      });
      // What is told on this very link is taken there, or given back there.
      const told = connection.grantsWaiting();
      const missing = untaken.filter(({ id }) => !told.has(id)).map(({ command }) => command);
      connection.welcome({ type: "welcome", welcome: { ...identity, welcomeId: ids.newId(), allocations } }, low);
      await connection.answered;
      await this.#book(missing);
    } catch (error) {
      if (!(error instanceof RefusalError)) throw error;
      connection.link.close(error);
      return;
    }
    this.#order.returned(hello);
    this.#open(connection);
  }

  /** What such a journal says is no account: nothing of it is booked, and what is held under it stays in doubt. */
  async #refuseOldJournal(hello: Hello): Promise<void> {
    const forgotten = await this.#options.loop.read((state) => forgottenBy(state, hello));
    if (forgotten.length === 0) return;
    const [first = ""] = forgotten;
    const others = forgotten.length > 1 ? ` and of ${forgotten.length - 1} more` : "";
    const message = `the journal of ${hello.instance} knows less of ${first}${others} than it has told: it is an old copy`;
    throw new RefusalError({ reason: "JOURNAL_BEHIND", message });
  }

  #forget(holders: ReadonlySet<string>): void {
    const isGone = (instance: string) => !this.#connected.has(instance) && !holders.has(instance);
    this.#order.forget(isGone, LIMITS.childDaemonsMax);
  }

  #open(connection: ChildConnection): void {
    if (this.#connected.get(connection.child.instance) !== connection) return;
    const held = connection.open();
    this.#options.onChild?.(connection.child, true);
    this.#take(connection, held);
  }

  /** Some at a time, so that no hello is too large to be taken. Rejects when too much waits here. */
  async #book(commands: readonly CommandInput[]): Promise<void> {
    const { loop } = this.#options;
    for (let at = 0; at < commands.length; at += LIMITS.helloPartMax) {
      const part = commands.slice(at, at + LIMITS.helloPartMax);
      const outcomes = await new Promise<readonly Outcome[]>((resolve) => loop.submitAll(part, resolve));
      for (const outcome of outcomes) {
        if (outcome.type !== "refused" || outcome.refusal.code !== "too_many") continue;
        const { message, retryAfterMs } = outcome.refusal;
        throw new RefusalError({ reason: "QUEUE_FULL", message, retryAfterMs });
      }
    }
  }

  /** Takes what arrived together; what comes before the welcome is answered waits for it. */
  #take(connection: ChildConnection, items: readonly UpWork[]): void {
    const batch = new Batch();
    for (const item of items) {
      if (connection.isOpen) this.#onItem(batch, connection, item);
      else if (!connection.hold(item)) {
        connection.link.close();
        return;
      }
    }
    this.#submit(connection.link, batch);
  }

  #onItem(batch: Batch, connection: ChildConnection, item: UpWork): void {
    const caller = connection.child.instance;
    if (item.type === "ask") this.#onAsk(batch, connection, item.ask);
    else if (item.type === "usage") {
      connection.reported(item.report.allocationId, this.#options.loop.nowMs());
      this.#onUsage(batch, caller, item.report);
    } else if (item.type === "mark") connection.noteMark(item, this.#options.loop.nowMs());
    else if (item.type === "cancel") batch.add({ type: "cancel_request", caller, requestId: item.requestId });
    else {
      const { allocationId, epoch, returnedTotal } = item;
      batch.add({ type: "receive_return", caller, allocationId, epoch, returnedTotal });
    }
  }

  /** What arrived together is decided together and answered in one go. */
  #submit(link: ParentLink, { commands, answers }: Batch): void {
    if (commands.length === 0) return;
    this.#options.loop.submitAll(commands, (outcomes) => {
      const items: DownItem[] = [];
      for (const [index, outcome] of outcomes.entries()) {
        const item = answers[index]?.(outcome);
        if (item) items.push(item);
      }
      if (items.length > 0) link.send(items);
    });
  }

  #onAsk(batch: Batch, connection: ChildConnection, ask: GrantAsk): void {
    const { ids, kindOfChildren: kind, leaseTtlMs } = this.#options;
    const caller = connection.child.instance;
    const wish =
      ask.target.type === "open"
        ? openWish(ask, ask.target, { caller, ids, kind, leaseTtlMs })
        : raiseWish(ask, ask.target, caller);
    const { trace: parent, requestId } = ask;
    const span = parent && this.#options.telemetry?.startSpan({ name: "bursar.grant", kind: "server", parent });
    batch.add({ type: "grant", wish }, (outcome) => {
      this.#trace(span, requestId, outcome);
      if (outcome.type !== "opened" || !outcome.repeated) {
        return { type: "decision", requestId, answer: this.#answerOf(caller, outcome) };
      }
      void this.#handOverAgain(connection, requestId, outcome);
      return undefined;
    });
  }

  /**
   * What closed meanwhile (it was missing from a hello, and came back) is remembered as granted, but not to be spent any more. What is
   * closing must be taken: its holder's final account ends it.
   */
  async #handOverAgain(
    { link, child }: ChildConnection,
    requestId: string,
    opened: OutcomeOf<"opened">,
  ): Promise<void> {
    const { allocationId, path } = opened;
    try {
      const [state, reason = "", stop] = await this.#options.loop.read(({ allocations }) => {
        const node = allocations.get(allocationId);
        return [node?.state ?? "closed", node?.closingReason, node && stopFor(node)] as const;
      });
      const outcome =
        state === "closed"
          ? ({ type: "refused", refusal: { code: "closing", allocationId, path, reason } } as const)
          : opened;
      const decision = { type: "decision", requestId, answer: this.#answerOf(child.instance, outcome) } as const;
      link.send(state === "closing" ? [decision, stopOf(allocationId, reason, stop)] : [decision]);
    } catch (error) {
      if (!(error instanceof RefusalError)) throw error;
      link.send([{ type: "decision", requestId, answer: { type: "denied", error } }]);
    }
  }

  #answerOf(instance: string, outcome: Outcome): GrantAnswer {
    switch (outcome.type) {
      case "opened":
        return {
          type: "opened",
          grant: this.handoverTo(instance, outcome),
          partial: outcome.partial,
          ...(outcome.preempted && { preempted: outcome.preempted }),
        };
      case "raised": {
        const { allocationId, epoch, grantedTotal, partial, preempted } = outcome;
        return { type: "raised", allocationId, epoch, grantedTotal, partial, ...(preempted && { preempted }) };
      }
      case "queued":
        return { type: "queued", conflict: outcome.conflict };
      default:
        return { type: "denied", error: this.errorOf(outcome) };
    }
  }

  #trace(span: Span | undefined, requestId: string, outcome: Outcome): void {
    const { loop, telemetry } = this.#options;
    if (!span || !telemetry?.enabled) return;
    if (outcome.type !== "refused") traceDecision(span, loop.decisions, requestId);
    else traceRefusal(span, requestId, this.errorOf(outcome));
    span.end(outcome.type === "refused" ? { error: outcome.refusal.code } : {});
  }

  /** The error of an outcome that is not what was asked for. */
  errorOf(outcome: Outcome): ItemError {
    const { ids, tier } = this.#options;
    return errorOfOutcome(outcome, { tier, errorId: ids.newId(), onOwn: false });
  }

  #onUsage(batch: Batch, caller: string, report: UsageItem): void {
    const { allocationId, epoch, sequence, usage, final, returnedTotal, trace } = report;
    const span = trace && this.#options.telemetry?.startSpan({ name: "bursar.report", kind: "server", parent: trace });
    // Returned budget first: a final account closes the books.
    batch.add({ type: "receive_return", caller, allocationId, epoch, returnedTotal });
    batch.add({ type: "report_usage", caller, allocationId, epoch, sequence, usage, final }, (outcome) => {
      span?.end();
      return { type: "ack", ack: this.#ackOf(report, outcome) };
    });
  }

  #ackOf({ allocationId, sequence, final }: UsageItem, outcome: Outcome): Extract<DownItem, { type: "ack" }>["ack"] {
    const plain = {
      allocationId,
      sequence,
      lease: undefined,
      directive: undefined,
      reason: "",
      final,
      error: undefined,
    };
    if (outcome.type !== "reported") return { ...plain, error: this.errorOf(outcome) };
    const { epoch, leaseTtlMs: ttlMs, state, closingReason: reason = "" } = outcome;
    // A closing allocation keeps its lease until its last account, so that what it settles meanwhile is no doubt.
    const lease = state !== "closed" && ttlMs > 0 ? { epoch, ttlMs } : undefined;
    if (state === "open") return { ...plain, lease };
    const { stop } = outcome;
    return { ...plain, lease, directive: final ? undefined : "STOP", reason, ...(stop && { stop }) };
  }

  #tell(instance: string, item: DownItem): void {
    this.#connected.get(instance)?.tell(item);
  }

  #onMessage(message: Message): void {
    if (message.type === "decided") {
      const { caller, requestId, outcome } = message;
      this.#tell(caller, { type: "decision", requestId, answer: this.#answerOf(caller, outcome) });
    }
    if (message.type === "closing" && message.side === "delegated" && message.holder !== undefined) {
      this.#tell(message.holder, stopOf(message.allocationId, message.reason, message.stop));
    }
    if (message.type === "low_budget" && message.holder !== undefined) {
      const { type, holder, heldId, ...lowBudget } = message;
      this.#tell(holder, lowBudgetItem(heldId, lowBudget));
    }
    if (message.type === "granted") {
      this.#connected.get(message.holder)?.revise(message, this.#options.loop.nowMs());
    }
  }
}

function secondHello(): RefusalError {
  return new RefusalError(
    invalidArgument([{ field: "hello", description: "comes once on a link, as its first item" }]),
  );
}

type Answer = (outcome: Outcome) => DownItem | undefined;

/** The commands of items that arrived together, and what is to be answered to each. */
class Batch {
  readonly commands: CommandInput[] = [];
  readonly answers: (Answer | undefined)[] = [];

  add(command: CommandInput, answer?: Answer): void {
    this.commands.push(command);
    this.answers.push(answer);
  }
}
