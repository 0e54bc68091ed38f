/**
 * Swarms and their runs. A run is granted from its swarm, at once or after waiting in the swarm's queue, to the process daemon with the
 * least work, and is followed to its end. The same request joins the same run.
 */
import type { BudgetState, Limits, OpenWish, Outcome, Priority } from "#budget";
import { leastOf, type RoutineSpec, type ShareTerms } from "#codec";
import { ChildLoads, lowBudgetOf, traceLowBudget } from "#daemon";
import { executionError, FaultError, RefusalError } from "#errors";
import type { ItemError, LowBudget, TraceContext } from "#ports";
import { LIMITS } from "#std";
import { type ChildDaemon, errorOfOutcome, traceDecision, traceRefusal } from "#tier";
import { isUnder } from "./find.ts";
import type { RunWork } from "./run-order.ts";
import { RunRecord } from "./run-record.ts";
import type { SwarmParts } from "./swarm-parts.ts";

export interface RunOrder {
  readonly requestId: string;
  readonly swarmId: string;
  readonly routine: RoutineSpec;
  readonly limits: Limits;
  readonly priority: Priority;
  readonly waitMs: number;
  readonly share?: ShareTerms;
  readonly trace: TraceContext | undefined;
}

export class SwarmStateMachine {
  readonly #parts: SwarmParts;
  readonly #runs = new Map<string, RunRecord>();
  /** Requests that wait in a queue, by caller and request id. */
  readonly #waiting = new Map<string, (outcome: Outcome) => void>();
  readonly #loads = new ChildLoads();
  #lives = 0;

  constructor(parts: SwarmParts) {
    this.#parts = parts;
    parts.base.loop.subscribe((message) => {
      const low = lowBudgetOf(message);
      if (low) void this.#onLowBudget(low);
      if (message.type !== "decided") return;
      const key = keyOf(message.caller, message.requestId);
      this.#waiting.get(key)?.(message.outcome);
      this.#waiting.delete(key);
    });
  }

  /**
   * After a start: runs go on and are followed again at the process daemons that hold them. Requests that waited have lost their callers'
   * streams and wait no longer.
   */
  async recover(): Promise<void> {
    const { loop, log } = this.#parts.base;
    const { lives, waiting, runs } = await loop.read((state) => ({
      lives: state.lives,
      waiting: [...state.allocations.values()].flatMap(({ waiters }) => [...waiters].map(({ request }) => request)),
      runs: runsOf(state),
    }));
    this.#lives = lives;
    for (const { caller, requestId } of waiting) await loop.ask({ type: "cancel_request", caller, requestId });
    for (const { runId, ...held } of runs) {
      const record = this.#newRecord(runId);
      this.#remember(record);
      this.#follow(record, { type: "join", ...held }, this.#loads.begin({ instance: held.holder }));
    }
    if (runs.length > 0) log.info({ runs: runs.length }, "runs found in the journal; they go on");
  }

  /** The run as it is followed, or, when it has ended and is remembered in the books alone, how it ended. */
  async run(runId: string): Promise<RunRecord | undefined> {
    const record = this.#runs.get(runId);
    if (record) return record;
    const kind = await this.#parts.base.loop.read((state) => state.allocations.get(runId)?.kind);
    if (kind !== "run") return undefined;
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
    const outcome = await this.#grant(wish, (decided) =>
      this.#decided({ order: { ...order, trace }, record, child, outcome: decided }),
    );
    if (outcome.type === "opened" && outcome.repeated) {
      span.end();
      return this.#join(outcome.allocationId);
    }
    if (outcome.type === "queued") {
      this.#remember(record);
      record.queued(outcome.conflict);
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

  #grant(wish: OpenWish, onDecided: (outcome: Outcome) => void): Promise<Outcome> {
    const key = keyOf(wish.caller, wish.requestId);
    return new Promise((resolve) => {
      this.#parts.base.loop.submit({ type: "grant", wish }, (outcome) => {
        if (outcome.type === "queued" && !this.#waiting.has(key)) this.#waiting.set(key, onDecided);
        resolve(outcome);
      });
    });
  }

  #decided({
    order,
    record,
    child,
    outcome,
  }: {
    readonly order: RunOrder;
    readonly record: RunRecord;
    readonly child: ChildDaemon;
    readonly outcome: Outcome;
  }): void {
    this.#traceWaited(order, outcome);
    if (outcome.type === "opened") this.#handOver({ order, record, child, outcome });
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

  #handOver({
    order,
    record,
    child,
    outcome,
  }: {
    readonly order: RunOrder;
    readonly record: RunRecord;
    readonly child: ChildDaemon;
    readonly outcome: Extract<Outcome, { type: "opened" }>;
  }): void {
    const grant = this.#parts.downlink.handoverTo(child.instance, outcome);
    const { routine, trace } = order;
    this.#follow(record, { type: "hand_over", grant, child, routine, trace }, this.#loads.begin(child));
  }

  #follow(record: RunRecord, work: RunWork, end: () => void): void {
    const { base } = this.#parts;
    record
      .follow(work)
      .catch((error: unknown) => {
        base.log.error({ err: error, run: record.runId }, "a run could not be followed");
        record.feed.end(error);
      })
      .finally(end);
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
    const { requestId, swarmId, routine, limits, priority, waitMs, share } = order;
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
      policy: {},
      byHolder: false,
      holder: child.instance,
      leaseTtlMs: settings.leaseTtlMs,
      waitMs,
      strategy: undefined,
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

function keyOf(caller: string, requestId: string): string {
  return `${caller}\n${requestId}`;
}
