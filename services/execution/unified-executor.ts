/**
 * Steps of every kind, the same way: take the grant, do the work by the executor of its kind, close the allocation, and say how it
 * ended once its books are final. A step found in the journal at start has lost its work: it is closed, and its calls may still settle.
 */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { PriceTable, StepSpec } from "#codec";
import { Closings, type DaemonBase } from "#daemon";
import { executionError } from "#errors";
import { WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import type { GrantHandover, TraceContext } from "#ports";
import { toExecutionErrorMessage } from "#rpc";
import { errorOfRefusal, type Uplink } from "#tier";
import { CodeExecutor } from "./executors/code.ts";
import type { Executor, StepResult } from "./executors/executor.ts";
import { WorkerExecutor } from "./executors/worker.ts";
import { StepRegistry } from "./step-registry.ts";
import { StepWork } from "./step-work.ts";
import { TopUps } from "./top-up.ts";

export interface StepOrder {
  readonly grant: GrantHandover;
  readonly step: StepSpec;
  readonly runId: string;
  readonly trace: TraceContext | undefined;
}

export interface UnifiedExecutorOptions {
  readonly base: DaemonBase;
  readonly uplink: Uplink;
  readonly prices: PriceTable | undefined;
  /** The environment that code steps start from. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where workers meter, host:port. */
  readonly address: () => string;
}

const OUTCOME = {
  succeeded: WorkOutcome.SUCCEEDED,
  failed: WorkOutcome.FAILED,
  stopped: WorkOutcome.STOPPED,
} as const;

export class UnifiedExecutor {
  readonly steps = new StepRegistry();
  readonly topUps: TopUps;
  readonly #options: UnifiedExecutorOptions;
  readonly #closings: Closings;

  constructor(options: UnifiedExecutorOptions) {
    this.#options = options;
    const { loop, ids, clock } = options.base;
    this.#closings = new Closings(loop, clock);
    this.topUps = new TopUps({ loop, ids, uplink: options.uplink, stepOf: (id) => this.steps.get(id) });
    loop.subscribe((message) => {
      if (message.type === "closing" && message.side === "received") this.stop(message.allocationId, message.reason);
    });
  }

  /** Steps whose work died with the last process: closed, settled from the journal, never spent again. */
  async recover(): Promise<void> {
    const { base } = this.#options;
    const found = await base.loop.read((state) => [...state.roots].filter((node) => node.side === "received"));
    for (const { id: allocationId, path, epoch, token, pooled, state } of found) {
      if (state === "closed") continue;
      const work = new StepWork({ allocationId, path, epoch, token, pooled, trace: undefined }, base.clock);
      this.steps.add(work);
      const message = "the execution daemon was restarted; the work of this step was lost and is not done again";
      const error = { type: "DEPENDENCY_UNAVAILABLE", reach: "one", message } as const;
      void this.#end(work, { outcome: "stopped", error: this.#error(work, error) }, "execution was restarted");
    }
    if (found.length > 0) base.log.info({ steps: found.length }, "steps found in the journal");
  }

  /** Takes a step. The same grant again joins the same step. Throws the refusal when the grant cannot be taken. */
  async begin(order: StepOrder): Promise<StepWork> {
    const { base } = this.#options;
    const { grant, trace } = order;
    const known = this.steps.get(grant.allocationId);
    if (known) return known;
    const { allocationId, path, epoch, token, pooled } = grant;
    const work = new StepWork({ allocationId, path, epoch, token, pooled, trace }, base.clock);
    this.steps.add(work);
    const span = base.telemetry.startSpan({ name: "bursar.grant", parent: trace, attributes: { "bursar.path": path } });
    const { deadlineLeftMs, ...rest } = grant;
    const leaseEndsAtMs = base.loop.nowMs() + grant.leaseTtlMs;
    const outcome = await base.loop.ask({
      type: "receive_grant",
      ...rest,
      deadlineLeftMs,
      leaseEndsAtMs,
      peer: "parent",
      notes: [],
    });
    if (outcome.type === "refused") {
      this.steps.ended(allocationId);
      const error = errorOfRefusal(outcome.refusal, { tier: "execution", errorId: base.ids.newId(), onOwn: true });
      work.feed.end(error);
      span.end({ error: error.message });
      throw error;
    }
    span.end();
    this.#work(work, order).catch((error: unknown) => {
      base.log.error({ err: error, path }, "a step failed by a fault of this daemon");
      work.feed.end(error);
      void base.loop.ask({ type: "close", allocationId, reason: "the step failed by a fault of its daemon" });
    });
    return work;
  }

  /** Ends the work of a step early; its allocation closes once nothing of it is left. */
  stop(allocationId: string, reason: string): void {
    this.steps.get(allocationId)?.executor?.stop(reason);
  }

  /** Stops everything and waits until it has ended, `graceMs` at most. */
  async drain(graceMs: number): Promise<void> {
    const running = this.steps.running();
    for (const { executor } of running) executor?.stop("the execution daemon is shutting down");
    await this.#closings.within(
      running.map(({ allocationId }) => allocationId),
      graceMs,
    );
  }

  async #work(work: StepWork, order: StepOrder): Promise<void> {
    const executor = this.#executorOf(work, order);
    work.executor = executor;
    if (order.step.kind === "worker") {
      const { allocationId, token = "" } = order.grant;
      const { kind } = order.step.worker;
      const address = this.#options.address();
      work.tell({ case: "workerReady", value: { allocationId, path: work.path, token, address, kind } });
    }
    const result = await executor.run();
    await this.#end(work, result, result.outcome);
  }

  async #end(work: StepWork, result: StepResult, reason: string): Promise<void> {
    const { base } = this.#options;
    const { allocationId, path } = work;
    await base.loop.ask({ type: "close", allocationId, reason });
    await this.#closings.of(allocationId);
    const { outcome, error, exitCode, output } = result;
    work.tell({
      case: "stepFinished",
      value: {
        allocationId,
        path,
        outcome: OUTCOME[outcome],
        ...(error ? { error: toExecutionErrorMessage(error) } : {}),
        ...(exitCode === undefined ? {} : { exitCode }),
        ...(output ? { output } : {}),
      },
    });
    work.feed.end();
    this.steps.ended(allocationId);
  }

  #executorOf(work: StepWork, order: StepOrder): Executor {
    const { base } = this.#options;
    const { clock, ids } = base;
    const { step } = order;
    if (step.kind === "worker") {
      return new WorkerExecutor({ path: work.path, attachWithinMs: step.worker.attachWithinMs, clock, ids });
    }
    if (step.kind === "code") return this.#codeExecutor(work, order, step);
    const message = "a parallel step is split by the process daemon and not sent here";
    return new RefusedWork({
      outcome: "failed",
      error: this.#error(work, { type: "ROUTINE_PARSING_FAILED", reach: "one", message }),
    });
  }

  #codeExecutor(work: StepWork, { grant, runId }: StepOrder, step: Extract<StepSpec, { kind: "code" }>): Executor {
    const { base, prices, environment, address } = this.#options;
    const { loop, clock, ids, settings } = base;
    const folder = join(settings.workDir, runId);
    mkdirSync(folder, { recursive: true });
    const own = {
      PATH: `${dirname(process.execPath)}:${environment.PATH ?? ""}`,
      BURSAR_WORK_DIR: folder,
      BURSAR_ALLOCATION_ID: grant.allocationId,
      BURSAR_ALLOCATION_TOKEN: grant.token ?? "",
      BURSAR_METER_ADDRESS: address(),
    };
    return new CodeExecutor({
      allocationId: work.allocationId,
      path: work.path,
      command: step.code.command,
      cwd: step.code.cwd,
      env: { ...environment, ...step.code.env, ...own },
      stdin: step.code.stdin,
      wallClockMs: grant.deadlineLeftMs,
      memoryBytesMax: grant.limits.memoryBytes,
      price: prices?.code,
      pooled: work.pooled.includes("credits"),
      loop,
      clock,
      ids,
      reserve: (reserve, done) => this.topUps.reserve(reserve, work.pooled, done),
    });
  }

  #error(
    { path: allocationPath }: StepWork,
    facts: Pick<Parameters<typeof executionError>[0], "type" | "reach" | "message">,
  ) {
    return executionError({ ...facts, id: this.#options.base.ids.newId(), tier: "execution", allocationPath });
  }
}

/** Work that cannot be done here: it has failed before it began. */
class RefusedWork implements Executor {
  readonly #result: StepResult;

  constructor(result: StepResult) {
    this.#result = result;
  }

  run(): Promise<StepResult> {
    return Promise.resolve(this.#result);
  }

  stop(): void {
    // Nothing runs.
  }
}
