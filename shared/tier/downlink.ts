/**
 * The parent's side of the connections to the tier below: takes hellos, answers wishes and reports, passes counters and directives
 * down, and knows which children are there to be given work.
 */
import { type BudgetState, type Message, NO_USAGE, type Outcome, type OutcomeOf } from "#budget";
import { RefusalError, type Tier } from "#errors";
import type {
  AllocationStanding,
  DownItem,
  GrantAnswer,
  GrantAsk,
  GrantHandover,
  HeldAllocation,
  Hello,
  IdSource,
  ItemError,
  ParentLink,
  Telemetry,
  UpItem,
  UsageItem,
} from "#ports";
import { LIMITS } from "#std";
import type { CommandInput } from "./command-input.ts";
import { errorOfOutcome } from "./refusal-error.ts";
import type { TierResourceManager } from "./tier-resource-manager.ts";
import { openWish, raiseWish } from "./wishes.ts";

/** A daemon of the tier below that has said hello and is connected. */
export interface ChildDaemon {
  readonly instance: string;
  readonly incarnation: string;
  readonly address: string;
  readonly tier: string;
  /** Work taken at the same time at most; 0 means no bound of its own. */
  readonly capacity: number;
}

export interface DownlinkOptions {
  readonly loop: TierResourceManager;
  readonly ids: IdSource;
  readonly tier: Tier;
  readonly identity: { readonly instance: string; readonly incarnation: string };
  /** Kind of a new allocation for a wish that names none. */
  readonly kindOfChildren: "run" | "step";
  /** Opens spans for asks and reports that are traced; default: none. */
  readonly telemetry?: Telemetry;
  readonly onChild?: (child: ChildDaemon, connected: boolean) => void;
}

interface Connected {
  readonly child: ChildDaemon;
  readonly link: ParentLink;
  /** What is to be told before hello is answered waits for the welcome, the first item of a link. */
  early: DownItem[] | undefined;
}

export class Downlink {
  readonly #options: DownlinkOptions;
  readonly #connected = new Map<string, Connected>();
  /** The latest incarnation of each instance, since this daemon started. */
  readonly #lives = new Map<string, string>();

  constructor(options: DownlinkOptions) {
    this.#options = options;
    options.loop.subscribe((message) => this.#onMessage(message));
  }

  /** The children that are there, in the order in which they came. */
  children(): readonly ChildDaemon[] {
    return [...this.#connected.values()].map(({ child }) => child);
  }

  child(instance: string): ChildDaemon | undefined {
    return this.#connected.get(instance)?.child;
  }

  /** Takes a new connection; its first item is hello, and no other is. */
  accept(link: ParentLink): void {
    let connected: Connected | undefined;
    link.onItems((items) => {
      const batch = new Batch();
      for (const item of items) {
        if (item.type !== "hello") {
          if (connected) this.#onItem(batch, { link, child: connected.child }, item);
        } else if (connected || !this.#hasRoomFor(item.hello.instance)) {
          link.close();
          return;
        } else {
          connected = this.#register(link, item.hello);
          void this.#welcome(connected, item.hello);
        }
      }
      this.#submit(link, batch);
    });
    link.onClose(() => {
      if (!connected || this.#connected.get(connected.child.instance) !== connected) return;
      this.#connected.delete(connected.child.instance);
      if (!connected.early) this.#options.onChild?.(connected.child, false);
    });
  }

  #hasRoomFor(instance: string): boolean {
    return this.#connected.has(instance) || this.#connected.size < LIMITS.childDaemonsMax;
  }

  #register(link: ParentLink, hello: Hello): Connected {
    const { instance, incarnation, address, tier, capacity } = hello;
    const connected: Connected = { child: { instance, incarnation, address, tier, capacity }, link, early: [] };
    const before = this.#connected.get(instance);
    this.#connected.set(instance, connected);
    before?.link.close();
    return connected;
  }

  /**
   * A grant that is missing from the hello of a new life of its holder was never taken there, for the hello is complete and the same
   * journal speaks (the instance is named after it): it was never spent and comes back. Handovers to the earlier life are refused by the
   * new one. Within one life a handover may still be on its way, so nothing follows from its absence.
   */
  async #returnUntaken({ instance, incarnation, allocations }: Hello): Promise<void> {
    if (this.#lives.get(instance) === incarnation) return;
    const told = new Set(allocations.map(({ allocationId }) => allocationId));
    const untaken = await this.#options.loop.read((state) => untakenOf(state, instance, told));
    const account = { caller: instance, sequence: 0, usage: NO_USAGE, final: true, leaseEndsAtMs: 0 } as const;
    await this.#book(untaken.map((grant) => ({ type: "report_usage", ...grant, ...account })));
    this.#lives.set(instance, incarnation);
    for (const other of this.#lives.keys()) {
      if (this.#lives.size <= LIMITS.childDaemonsMax) break;
      if (!this.#connected.has(other)) this.#lives.delete(other);
    }
  }

  /** Books what hello says, then answers it. A hello that finds too much waiting here must be said again. */
  async #welcome(connected: Connected, hello: Hello): Promise<void> {
    const { child, link } = connected;
    let standings: AllocationStanding[];
    try {
      await this.#returnUntaken(hello);
      await this.#takeAccounts(hello);
      standings = await this.#options.loop.read((state) =>
        hello.allocations.map((held) => standingOf(state, held, hello)),
      );
    } catch (error) {
      if (!(error instanceof RefusalError)) throw error;
      link.close();
      return;
    }
    const early = connected.early ?? [];
    connected.early = undefined;
    link.send([{ type: "welcome", welcome: { ...this.#options.identity, allocations: standings } }, ...early]);
    if (this.#connected.get(child.instance) === connected) this.#options.onChild?.(child, true);
  }

  /** What a hello says of its allocations is booked like reports and returns. */
  #takeAccounts({ instance, allocations }: Hello): Promise<void> {
    return this.#book(allocations.flatMap((held) => this.#accountOf(instance, held)));
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

  #accountOf(caller: string, held: HeldAllocation): CommandInput[] {
    const { allocationId, epoch, usage, final, returnedTotal } = held;
    const report = { type: "report_usage", caller, allocationId, epoch, sequence: 0, usage, final } as const;
    return [
      { type: "receive_return", caller, allocationId, epoch, returnedTotal },
      { ...report, leaseEndsAtMs: this.#leaseEnd() },
    ];
  }

  #leaseEnd(): number {
    return this.#options.loop.nowMs() + LIMITS.leaseTtlMs + LIMITS.leaseMarginMs;
  }

  #onItem(batch: Batch, from: Pick<Connected, "link" | "child">, item: Exclude<UpItem, { type: "hello" }>): void {
    const caller = from.child.instance;
    if (item.type === "ask") this.#onAsk(batch, from, item.ask);
    else if (item.type === "usage") this.#onUsage(batch, caller, item.report);
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

  #onAsk(batch: Batch, { link, child }: Pick<Connected, "link" | "child">, ask: GrantAsk): void {
    const { ids, kindOfChildren: kind } = this.#options;
    const caller = child.instance;
    const wish =
      ask.target.type === "open"
        ? openWish(ask, ask.target, { caller, ids, kind })
        : raiseWish(ask, ask.target, caller);
    const { trace: parent, requestId } = ask;
    const span = parent && this.#options.telemetry?.startSpan({ name: "bursar.grant", kind: "server", parent });
    batch.add({ type: "grant", wish }, (outcome) => {
      span?.end(outcome.type === "refused" ? { error: outcome.refusal.code } : {});
      if (outcome.type !== "opened" || !outcome.repeated) {
        return { type: "decision", requestId, answer: this.#answerOf(outcome) };
      }
      void this.#handOverAgain(link, requestId, outcome);
      return undefined;
    });
  }

  /**
   * What closed meanwhile (it was missing from a hello, and came back) is remembered as granted, but not to be spent any more. What is
   * closing must be taken: its holder's final account ends it.
   */
  async #handOverAgain(link: ParentLink, requestId: string, opened: OutcomeOf<"opened">): Promise<void> {
    const { allocationId, path } = opened;
    try {
      const [state, reason = ""] = await this.#options.loop.read(({ allocations }) => {
        const node = allocations.get(allocationId);
        return [node?.state ?? "closed", node?.closingReason] as const;
      });
      const outcome =
        state === "closed"
          ? ({ type: "refused", refusal: { code: "closing", allocationId, path, reason } } as const)
          : opened;
      const decision = { type: "decision", requestId, answer: this.#answerOf(outcome) } as const;
      link.send(state === "closing" ? [decision, stopOf(allocationId, reason)] : [decision]);
    } catch (error) {
      if (!(error instanceof RefusalError)) throw error;
      link.send([{ type: "decision", requestId, answer: { type: "denied", error } }]);
    }
  }

  #answerOf(outcome: Outcome): GrantAnswer {
    switch (outcome.type) {
      case "opened":
        return { type: "opened", grant: handoverOf(outcome, this.#options.loop.nowMs()), partial: outcome.partial };
      case "raised": {
        const { allocationId, epoch, grantedTotal, partial } = outcome;
        return { type: "raised", allocationId, epoch, grantedTotal, partial };
      }
      case "queued":
        return { type: "queued", conflict: outcome.conflict };
      default:
        return { type: "denied", error: this.errorOf(outcome) };
    }
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
    const command = { type: "report_usage", caller, allocationId, epoch, sequence, usage, final } as const;
    batch.add({ ...command, leaseEndsAtMs: this.#leaseEnd() }, (outcome) => {
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
    if (state === "open") return { ...plain, lease: { epoch, ttlMs } };
    // A closing allocation keeps its lease until its last account, so that what it settles meanwhile is no doubt.
    const lease = state === "closing" ? { epoch, ttlMs } : undefined;
    return { ...plain, lease, directive: final ? undefined : "STOP", reason };
  }

  #tell(instance: string, item: DownItem): void {
    const connected = this.#connected.get(instance);
    if (connected?.early) connected.early.push(item);
    else connected?.link.send([item]);
  }

  #onMessage(message: Message): void {
    if (message.type === "decided") {
      const { caller, requestId, outcome } = message;
      this.#tell(caller, { type: "decision", requestId, answer: this.#answerOf(outcome) });
    }
    if (message.type === "closing" && message.side === "delegated" && message.holder !== undefined) {
      this.#tell(message.holder, stopOf(message.allocationId, message.reason));
    }
    if (message.type === "granted") {
      const { holder, allocationId, epoch, grantedTotal } = message;
      this.#tell(holder, { type: "revision", allocationId, epoch, grantedTotal });
    }
  }
}

/** A directive that answers no report. */
function stopOf(allocationId: string, reason: string): DownItem {
  const plain = { sequence: 0, lease: undefined, final: false, error: undefined } as const;
  return { type: "ack", ack: { ...plain, allocationId, directive: "STOP", reason } };
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

function untakenOf(state: BudgetState, instance: string, told: ReadonlySet<string>) {
  const untaken: { readonly allocationId: string; readonly epoch: number }[] = [];
  for (const { id: allocationId, epoch, side, peer, state: at } of state.allocations.values()) {
    if (side === "delegated" && peer === instance && at !== "closed" && !told.has(allocationId))
      untaken.push({ allocationId, epoch });
  }
  return untaken;
}

function standingOf(state: BudgetState, held: HeldAllocation, hello: Hello): AllocationStanding {
  const { allocationId } = held;
  const node = state.allocations.get(allocationId);
  if (!node || node.peer !== hello.instance) {
    return { allocationId, epoch: 0, state: undefined, grantedTotal: held.grantedTotal };
  }
  return { allocationId, epoch: node.epoch, state: node.state, grantedTotal: node.grantedTotal };
}

/** A grant as it is handed to its holder. Its deadline travels as the time that is left. */
export function handoverOf(opened: OutcomeOf<"opened">, nowMs: number): GrantHandover {
  const { type, grantedTotal, partial, repeated, deadlineAtMs, ...rest } = opened;
  const deadlineLeftMs = deadlineAtMs === undefined ? undefined : Math.max(0, deadlineAtMs - nowMs);
  return { ...rest, deadlineLeftMs };
}
