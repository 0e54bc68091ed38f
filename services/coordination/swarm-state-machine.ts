/**
 * Swarms and their runs. A run is granted from its swarm, at once or after waiting in the swarm's queue, to the process daemon with the
 * least work, and is followed to its end. The same request joins the same run. A run that gave way to others is tried again (run-attempts.ts).
 */
import { create } from "@bufbuild/protobuf";
import type { BudgetState, OpenWish, Outcome } from "#budget";
import { leastOf } from "#codec";
import { ChildLoads, isOfTheEnd, keyOf, lowBudgetOf, traceLowBudget, type WaitEnd, WaitedGrants } from "#daemon";
import { executionError, FaultError, RefusalError } from "#errors";
import { RunFinishedSchema, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import type { ItemError, LowBudget } from "#ports";
import { toExecutionErrorMessage } from "#rpc";
import { LIMITS } from "#std";
import { type ChildDaemon, errorOfOutcome, traceDecision, traceRefusal } from "#tier";
import { isUnder } from "./find.ts";
import { againWish, attemptNotes, attemptsIn, type FoundAttempt, nextAttemptOf, orderOfBooks } from "./run-attempts.ts";
import type { RunOrder, RunWork } from "./run-order.ts";
import { type AttemptEnd, RunRecord } from "./run-record.ts";
import type { SwarmParts } from "./swarm-parts.ts";

/** The instance that holds a run. */
type Holder = Pick<ChildDaemon, "instance">;

/** The answer to the request of a run. */
interface Answered<Answer> {
  readonly order: RunOrder;
  readonly record: RunRecord;
  readonly child: Holder;
  readonly outcome: Answer;
}

export class SwarmStateMachine {
  readonly #parts: SwarmParts;
  readonly #runs = new Map<string, RunRecord>();
  readonly grants: WaitedGrants;
  /** Runs whose requests wait in a queue, by caller and request id. */
  readonly #queued = new Map<string, RunRecord>();
  readonly #loads = new ChildLoads();
  #lives = 0;

  constructor(parts: SwarmParts) {
    this.#parts = parts;
    this.grants = new WaitedGrants(parts.base.loop);
    parts.base.loop.subscribe((message) => {
      const low = lowBudgetOf(message);
      if (low) void this.#onLowBudget(low);
    });
  }

  /**
   * After a start: runs go on and are followed again at the process daemons that hold them. Requests that waited have lost their callers'
   * streams and wait no longer.
   */
  async recover(): Promise<void> {
    const { loop, log } = this.#parts.base;
    const { lives, waiting, runs, attempts } = await loop.read((state) => ({
      lives: state.lives,
      waiting: [...state.allocations.values()].flatMap(({ waiters }) => [...waiters].map(({ request }) => request)),
      runs: runsOf(state),
      attempts: attemptsIn(state),
    }));
    this.#lives = lives;
    for (const wish of waiting) {
      const { caller, requestId } = wish;
      const attempt = wish.type === "open" ? attempts.get(wish.allocationId) : undefined;
      if (wish.type === "open" && attempt?.order) await this.#waitOn(wish, attempt, attempt.order);
      // Work that stands still is nobody's request.
      else if (caller !== "") await loop.ask({ type: "cancel_request", caller, requestId });
    }
    for (const { runId, ...held } of runs) {
      const attempt = attempts.get(runId);
      const record = this.#newRecord(attempt?.before ?? runId);
      if (attempt) await record.tryAgain(attempt);
      this.#remember(record);
      this.#follow(record, { type: "join", ...held }, this.#loads.begin({ instance: held.holder }));
    }
    if (runs.length > 0) log.info({ runs: runs.length }, "runs found in the journal; they go on");
  }

  /** The run as it is followed, or, when it has ended and is remembered in the books alone, how it ended. */
  async run(runId: string): Promise<RunRecord | undefined> {
    const record = this.#runs.get(runId);
    if (record) return record;
    const [kind, next] = await this.#parts.base.loop.read(({ allocations }) => {
      const node = allocations.get(runId);
      return [node?.kind, node && nextAttemptOf(node)?.runId];
    });
    if (kind !== "run") return undefined;
    if (next !== undefined) return this.run(next);
    const ended = this.#newRecord(runId);
    await ended.tellEnded();
    return ended;
  }

  /** Of a swarm or account: told to all runs below it. */
  async #onLowBudget(low: LowBudget): Promise<void> {
    const { base } = this.#parts;
    traceLowBudget(base.telemetry, undefined, low);
    base.log.warn({ ...low }, "a budget runs low");
    const below = await this.#runsUnder(low.allocationId);
    for (const runId of below) this.#runs.get(runId)?.runsLow(low);
  }

  async #runsUnder(allocationId: string): Promise<readonly string[]> {
    try {
      return await this.#parts.base.loop.read(({ allocations }) =>
        [...this.#runs.keys()].filter((runId) => {
          const node = allocations.get(runId);
          return node !== undefined && isUnder(node, allocationId);
        }),
      );
    } catch (error) {
      // Too much waits here, or this daemon ends: the signal is only advice.
      if (error instanceof RefusalError) return [];
      throw error;
    }
  }

  #newRecord(runId: string): RunRecord {
    return new RunRecord(runId, this.#lives, this.#parts);
  }

  /** Starts a run or joins it. Throws the refusal. */
  async start(order: RunOrder): Promise<RunRecord> {
    const { base, downlink } = this.#parts;
    const child = this.#loads.pick(downlink.children());
    if (!child) throw this.#noProcess();
    const span = base.telemetry.startSpan({
      name: "bursar.grant",
      parent: order.trace,
      attributes: { "bursar.routine": order.routine.name },
    });
    const trace = span.context;
    const wish = this.#wish(order, child);
    const record = this.#newRecord(wish.allocationId);
    const { outcome, later } = await this.grants.ask(wish);
    // The same request waits already.
    const first = later && this.#queued.get(keyOf(wish));
    if (first) {
      span.end();
      return first;
    }
    if (outcome.type === "opened" && outcome.repeated) {
      span.end();
      return this.#join(outcome.allocationId);
    }
    if (outcome.type === "queued" && later) {
      this.#waits(wish, record, later);
      this.#remember(record);
      record.queued(outcome.conflict);
      void later
        .told()
        .then((decided) => this.#decided({ order: { ...order, trace }, record, child, outcome: decided }));
    } else if (outcome.type === "opened") {
      this.#remember(record);
      this.#handOver({ order: { ...order, trace }, record, child, outcome });
    } else {
      const error = this.errorOf(outcome);
      traceRefusal(span, order.requestId, error);
      span.end({ error: error.message });
      throw error;
    }
    if (base.telemetry.enabled) traceDecision(span, base.loop.decisions, order.requestId);
    span.end({ attributes: { "bursar.run_id": record.runId } });
    return record;
  }

  /** Who asks for the same meanwhile is told of the same run. */
  #waits(wish: OpenWish, record: RunRecord, later: WaitEnd): void {
    const key = keyOf(wish);
    this.#queued.set(key, record);
    void later.told().then(() => this.#queued.delete(key));
  }

  #decided({ order, record, child, outcome }: Answered<Outcome>): void {
    this.#traceWaited(order, outcome);
    if (outcome.type === "opened") this.#handOver({ order, record, child, outcome });
    else if (record.attempt > 1) void this.#giveUp(record, outcome);
    else record.feed.end(this.errorOf(outcome));
  }

  /** How a wait ended is a span of its own: that of its beginning was told then. */
  #traceWaited({ requestId, trace: parent }: RunOrder, outcome: Outcome): void {
    const { telemetry, loop } = this.#parts.base;
    if (!telemetry.enabled) return;
    const span = telemetry.startSpan({ name: "bursar.grant", parent });
    const error = outcome.type === "opened" ? undefined : this.errorOf(outcome);
    if (error) traceRefusal(span, requestId, error);
    else traceDecision(span, loop.decisions, requestId);
    span.end(error ? { error: error.message } : {});
  }

  #handOver({ order, record, child, outcome }: Answered<Extract<Outcome, { type: "opened" }>>): void {
    const grant = this.#parts.downlink.handoverTo(child.instance, outcome);
    const { routine, trace } = order;
    record.order = order;
    this.#follow(record, { type: "hand_over", grant, child, routine, trace }, this.#loads.begin(child));
  }

  #follow(record: RunRecord, work: RunWork, end: () => void): void {
    const { base } = this.#parts;
    record
      .follow(work)
      .then((end) => (end ? this.#tryAgain(record, end) : undefined))
      .catch((error: unknown) => {
        record.feed.end(error);
        // The next life of this daemon follows it.
        if (!isOfTheEnd(error)) base.log.error({ err: error, run: record.runId }, "a run could not be followed");
      })
      .finally(end);
  }

  /** A run that gave way to others waits to be begun anew, as often as that is allowed; so does one that no daemon has taken. */
  async #tryAgain(record: RunRecord, { why, finished }: AttemptEnd): Promise<void> {
    const { base, downlink } = this.#parts;
    const isUntaken = why === "untaken";
    const order = record.order ?? (await orderOfBooks(base.loop, record.runId, finished));
    const mayAgain = isUntaken ? record.mayBeginAnew() : record.attempt < LIMITS.preemptedAttemptsMax;
    const child = order && mayAgain ? await this.#loads.await(downlink, base.clock) : undefined;
    if (!order || !child) {
      await record.finish(finished);
      return;
    }
    const before = record.runId;
    const gaveWay = isUntaken ? record.gaveWayLast : before;
    const wish = againWish(this.#wish(order, child), { allocationId: before, gaveWay });
    const next = { runId: wish.allocationId, attempt: record.attempt + (isUntaken ? 0 : 1), isUntaken };
    for (const [key, value] of attemptNotes(order, next)) {
      base.loop.submit({ type: "attach_note", allocationId: before, key, value }, () => undefined);
    }
    await record.tryAgain(next);
    this.#remember(record);
    await this.#askAgain(wish, { order, record, child });
  }

  async #askAgain(wish: OpenWish, attempt: Omit<Answered<never>, "outcome">): Promise<void> {
    const decided = (outcome: Outcome) => this.#decided({ ...attempt, outcome });
    const { outcome, later } = await this.grants.ask(wish);
    if (outcome.type !== "queued" || !later) return decided(outcome);
    attempt.record.queued(outcome.conflict);
    void later.told().then(decided);
  }

  /** No further attempt is granted. */
  async #giveUp(record: RunRecord, outcome: Outcome): Promise<void> {
    const refused = this.errorOf(outcome);
    const { ids } = this.#parts.base;
    const facts = { type: "RESOURCE_ALLOCATION_FAILED", reach: "one", tier: "coordination" } as const;
    const message = `it gave way to more important work and could not be tried again: ${refused.message}`;
    const error = toExecutionErrorMessage(executionError({ ...facts, id: ids.newId(), message }));
    await record.finish(create(RunFinishedSchema, { outcome: WorkOutcome.STOPPED, error }));
  }

  /** An attempt that waits since an earlier life of this daemon. */
  async #waitOn(wish: OpenWish, attempt: FoundAttempt, order: RunOrder): Promise<void> {
    const record = this.#newRecord(attempt.before);
    await record.tryAgain(attempt);
    this.#remember(record);
    const child = { instance: wish.holder ?? "" };
    // The same wish again: it is told its present place.
    await this.#askAgain(wish, { order, record, child });
  }

  async #join(runId: string): Promise<RunRecord> {
    const record = await this.run(runId);
    if (record) return record;
    const message = `run ${runId} has ended, and what it was is forgotten by now`;
    throw new RefusalError({ reason: "NOT_FOUND", message });
  }

  #remember(record: RunRecord): void {
    this.#runs.set(record.runId, record);
    if (this.#runs.size <= LIMITS.endedWorkMax) return;
    for (const [id, { feed }] of this.#runs) {
      if (!feed.ended) continue;
      this.#runs.delete(id);
      return;
    }
  }

  #wish(order: RunOrder, child: ChildDaemon): OpenWish {
    const { ids, settings } = this.#parts.base;
    const { requestId, swarmId, routine, limits, priority, waitMs, share, access, reservationId } = order;
    const { strategy } = routine;
    return {
      type: "open",
      caller: `swarm:${swarmId}`,
      requestId,
      allocationId: ids.newId(),
      token: ids.newToken(),
      parentId: swarmId,
      name: routine.name,
      kind: "run",
      limits,
      min: leastOf(limits, share),
      pooled: [],
      priority,
      weight: share?.weight ?? 1,
      policy: strategy === undefined ? {} : { strategy },
      byHolder: false,
      holder: child.instance,
      leaseTtlMs: settings.leaseTtlMs,
      waitMs,
      strategy: order.requestStrategy,
      ...(access && { access }),
      ...(reservationId !== undefined && { reservationId }),
    };
  }

  /** Waits until the runs have ended, `graceMs` at most; their process daemons end them. */
  async drain(graceMs: number): Promise<void> {
    const running = [...this.#runs.values()].filter(({ feed }) => !feed.ended);
    await this.#parts.closings.within(
      running.map(({ runId }) => runId),
      graceMs,
    );
  }

  #noProcess(): FaultError {
    const message =
      "no process daemon with room is connected to coordination; start one with --parent set to its address";
    const id = this.#parts.base.ids.newId();
    const { retryAfterMs } = LIMITS;
    return new FaultError(
      executionError({ id, type: "DEPENDENCY_UNAVAILABLE", reach: "one", message, tier: "coordination", retryAfterMs }),
    );
  }

  errorOf(outcome: Outcome): ItemError {
    const { ids } = this.#parts.base;
    return errorOfOutcome(outcome, { tier: "coordination", errorId: ids.newId(), onOwn: false });
  }
}

/** The runs that have not ended, with who holds them. */
function runsOf(state: BudgetState) {
  const runs: { readonly runId: string; readonly epoch: number; readonly holder: string }[] = [];
  for (const { id: runId, kind, side, state: at, epoch, peer: holder } of state.allocations.values()) {
    if (kind === "run" && side === "delegated" && at !== "closed" && holder !== undefined)
      runs.push({ runId, epoch, holder });
  }
  return runs;
}
