/**
 * Swarms and their runs. A run is granted from its swarm, at once or after waiting in the swarm's queue, to the process daemon with the
 * least work, and is followed to its end. The same request joins the same run.
 */
import { amountsOf, type Limits, type OpenWish, type Outcome, type Priority } from "#budget";
import type { RoutineSpec } from "#codec";
import { ChildLoads } from "#daemon";
import { executionError, FaultError, RefusalError } from "#errors";
import type { ItemError, TraceContext } from "#ports";
import { LIMITS } from "#std";
import { type ChildDaemon, errorOfOutcome, handoverOf } from "#tier";
import { RunRecord } from "./run-record.ts";
import type { SwarmParts } from "./swarm-parts.ts";

export interface RunOrder {
  readonly requestId: string;
  readonly swarmId: string;
  readonly routine: RoutineSpec;
  readonly limits: Limits;
  readonly priority: Priority;
  readonly waitMs: number;
  readonly trace: TraceContext | undefined;
}

export class SwarmStateMachine {
  readonly #parts: SwarmParts;
  readonly #runs = new Map<string, RunRecord>();
  /** Requests that wait in a queue, by caller and request id. */
  readonly #waiting = new Map<string, (outcome: Outcome) => void>();
  readonly #loads = new ChildLoads();

  constructor(parts: SwarmParts) {
    this.#parts = parts;
    parts.base.loop.subscribe((message) => {
      if (message.type !== "decided") return;
      const key = keyOf(message.caller, message.requestId);
      this.#waiting.get(key)?.(message.outcome);
      this.#waiting.delete(key);
    });
  }

  /** Requests that waited when the last process died: their callers' streams are gone, so they wait no longer. */
  async recover(): Promise<void> {
    const { loop } = this.#parts.base;
    const waiting = await loop.read((state) =>
      [...state.allocations.values()].flatMap(({ waiters }) => waiters.map(({ request }) => request)),
    );
    for (const { caller, requestId } of waiting) await loop.ask({ type: "cancel_request", caller, requestId });
  }

  run(runId: string): RunRecord | undefined {
    return this.#runs.get(runId);
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
    const record = new RunRecord(wish.allocationId, this.#parts);
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
      span.end({ error: error.message });
      throw error;
    }
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
    if (outcome.type === "opened") this.#handOver({ order, record, child, outcome });
    else record.feed.end(this.errorOf(outcome));
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
    const { base } = this.#parts;
    const grant = handoverOf(outcome, base.loop.nowMs());
    const end = this.#loads.begin(child);
    record
      .follow({ grant, child, routine: order.routine, trace: order.trace })
      .catch((error: unknown) => {
        base.log.error({ err: error, run: record.runId }, "a run could not be followed");
        record.feed.end(error);
      })
      .finally(end);
  }

  #join(runId: string): RunRecord {
    const record = this.#runs.get(runId);
    if (record) return record;
    const message = `run ${runId} was started before this daemon was; see it with GetSwarm`;
    throw new RefusalError({ reason: "STATE_FORBIDS", message });
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
    const { ids } = this.#parts.base;
    const { requestId, swarmId, routine, limits, priority, waitMs } = order;
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
      min: amountsOf({ credits: limits.credits, toolCalls: limits.toolCalls }),
      pooled: [],
      priority,
      weight: 1,
      policy: {},
      byHolder: false,
      holder: child.instance,
      leaseTtlMs: LIMITS.leaseTtlMs,
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

function keyOf(caller: string, requestId: string): string {
  return `${caller}\n${requestId}`;
}
