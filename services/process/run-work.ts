/** A run as this daemon does it: carves its budget step by step, hands steps to execution daemons and tells what happens. */
import { create } from "@bufbuild/protobuf";
import { amountsOf, type Consumable, type Limits, type OpenWish, type Outcome, usageOf } from "#budget";
import { limitsToProto, type RoutineSpec, type StepSpec, usageToProto, viewOf } from "#codec";
import { type ChildLoads, type Closings, type DaemonBase, EventFeed, type Peers } from "#daemon";
import { type ExecutionError, executionError } from "#errors";
import { AllocationKind, AllocationState } from "#gen/bursar/v1/allocation_pb.js";
import {
  type RunEvent,
  RunEventSchema,
  RunStartedSchema,
  StepFinishedSchema,
  WorkOutcome,
} from "#gen/bursar/v1/run_pb.js";
import type { GrantHandover, TraceContext } from "#ports";
import { toExecutionErrorMessage } from "#rpc";
import { LIMITS } from "#std";
import { type Downlink, errorOfOutcome, handoverOf } from "#tier";
import { type RunActs, RunStateMachine } from "./run-state-machine.ts";
import { asExecutionError, dispatchStep } from "./step-dispatch.ts";
import type { StepPlace, StepResult } from "./step-result.ts";

const OUTCOME = {
  succeeded: WorkOutcome.SUCCEEDED,
  failed: WorkOutcome.FAILED,
  stopped: WorkOutcome.STOPPED,
  skipped: WorkOutcome.SKIPPED,
} as const;

export interface RunOrder {
  readonly grant: GrantHandover;
  readonly routine: RoutineSpec;
  readonly trace: TraceContext | undefined;
}

export interface RunParts {
  readonly base: DaemonBase;
  readonly downlink: Downlink;
  readonly peers: Peers;
  readonly closings: Closings;
  readonly loads: ChildLoads;
}

export class RunWork implements RunActs {
  readonly runId: string;
  readonly feed = new EventFeed<RunEvent>();
  /** How the nodes of this run ended, by allocation. */
  readonly outcomes = new Map<string, StepResult["outcome"]>();
  /** Trace under which its work goes on. */
  trace: TraceContext | undefined;
  readonly #parts: RunParts;
  readonly #order: RunOrder;
  readonly #machine: RunStateMachine;
  #sequence = 0n;
  /** What happened before the start was told. */
  #early: RunEvent["event"][] | undefined = [];
  #wishes = 0;

  constructor(parts: RunParts, order: RunOrder) {
    this.#parts = parts;
    this.#order = order;
    this.runId = order.grant.allocationId;
    this.#machine = new RunStateMachine(this);
  }

  /**
   * Does the run to its end; its allocation is closed and its books are final when this resolves. Begun in the same turn as its grant is
   * taken, so that the first step's wish goes into the same batch; what that leads to is told after the start.
   */
  async run(trace: TraceContext | undefined): Promise<void> {
    this.trace = trace ?? this.#order.trace;
    const { grant, routine } = this.#order;
    const { base, closings } = this.#parts;
    const root = {
      allocationId: grant.allocationId,
      parentId: "",
      name: grant.name,
      path: grant.path,
      limits: grant.limits,
    };
    const end = await this.#machine.run(routine, root);
    await base.loop.ask({ type: "close", allocationId: this.runId, reason: end.outcome });
    await closings.of(this.runId);
    const view = await this.#view();
    const error = end.error ? { error: toExecutionErrorMessage(end.error) } : {};
    this.tell({
      case: "finished",
      value: { $typeName: "bursar.v1.RunFinished", outcome: OUTCOME[end.outcome], ...error, ...view },
    });
    this.feed.end();
  }

  stop(reason: string): void {
    this.#machine.stop(reason);
    void this.#parts.base.loop.ask({ type: "close", allocationId: this.runId, reason });
  }

  tell(event: RunEvent["event"]): void {
    if (this.#early) this.#early.push(event);
    else this.#push(event);
  }

  /** The grant is taken: tells the start, and what has happened since. */
  started(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    const { allocationId, name, path, limits } = this.#order.grant;
    const run = {
      allocationId,
      name,
      path,
      kind: AllocationKind.RUN,
      state: AllocationState.OPEN,
      limits: limitsToProto(limits),
    };
    this.#push({ case: "started", value: create(RunStartedSchema, { run }) });
    for (const event of early) this.#push(event);
  }

  #push(event: RunEvent["event"]): void {
    this.#sequence += 1n;
    const wallTimeMs = BigInt(this.#parts.base.clock.wallMs());
    this.feed.push(create(RunEventSchema, { sequence: this.#sequence, wallTimeMs, event }));
  }

  async #view() {
    const run = await this.#parts.base.loop.read((state, nowMs) => {
      const node = state.allocations.get(this.runId);
      const outcome = ({ id }: { readonly id: string }) => this.outcomes.get(id) ?? "";
      return node ? viewOf(node, { depth: 0, nowMs, outcome }) : undefined;
    });
    return run ? { run } : {};
  }

  async openNode(place: StepPlace, kind: "branch" | "step") {
    const outcome = await this.#grant(this.#wish(place, kind, undefined));
    if (outcome.type === "opened") return { allocationId: outcome.allocationId };
    return { error: this.#errorOf(outcome, place) };
  }

  async closeNode(allocationId: string, reason: string): Promise<void> {
    await this.#parts.base.loop.ask({ type: "close", allocationId, reason });
    await this.#parts.closings.of(allocationId);
  }

  async doStep(place: StepPlace, step: Exclude<StepSpec, { kind: "parallel" }>): Promise<StepResult> {
    const { base, downlink, closings, peers, loads } = this.#parts;
    const child = await loads.await(downlink, base.clock);
    if (!child) return { outcome: "failed", error: this.#noExecution(place) };
    const { telemetry } = base;
    const span = telemetry.startSpan({
      name: "bursar.split",
      parent: this.trace,
      attributes: { "bursar.path": place.path },
    });
    const outcome = await this.#grant(this.#wish(place, "step", child.instance));
    if (outcome.type !== "opened") {
      const error = this.#errorOf(outcome, place);
      span.end({ error: error.message });
      return { outcome: "failed", error };
    }
    const { allocationId } = outcome;
    this.tell({ case: "stepStarted", value: { $typeName: "bursar.v1.StepStarted", allocationId, path: place.path } });
    const grant = handoverOf(outcome, base.loop.nowMs());
    const end = loads.begin(child);
    const result = await dispatchStep({
      base,
      peers,
      closings,
      grant,
      child,
      step,
      runId: this.runId,
      trace: span.context,
      onWorkerReady: (value) => this.tell({ case: "workerReady", value }),
    });
    end();
    span.end(result.error ? { error: result.error.message } : {});
    return { ...result, allocationId };
  }

  #grant(wish: OpenWish): Promise<Outcome> {
    return this.#parts.base.loop.ask({ type: "grant", wish });
  }

  #wish(place: StepPlace, kind: "branch" | "step", holder: string | undefined): OpenWish {
    const { ids } = this.#parts.base;
    const { grant } = this.#order;
    this.#wishes += 1;
    return {
      type: "open",
      caller: `run:${this.runId}`,
      requestId: `${this.#wishes}`,
      allocationId: ids.newId(),
      token: holder === undefined ? undefined : ids.newToken(),
      parentId: place.parentId,
      name: place.name,
      kind,
      limits: place.limits,
      min: amountsOf({ credits: place.limits.credits, toolCalls: place.limits.toolCalls }),
      pooled: pooledIn(place.limits),
      priority: grant.priority,
      weight: 1,
      policy: {},
      byHolder: false,
      holder,
      leaseTtlMs: LIMITS.leaseTtlMs,
      // A later answer would find nobody: a step has its budget at once, or it fails.
      waitMs: 0,
      strategy: undefined,
    };
  }

  async finish(place: StepPlace, { outcome, error, exitCode, output, ...result }: StepResult): Promise<void> {
    const allocationId = result.allocationId ?? place.allocationId;
    if (allocationId !== "") this.outcomes.set(allocationId, outcome);
    const usage = await this.#parts.base.loop.read((state) => {
      const node = state.allocations.get(allocationId);
      return node && usageToProto(usageOf(node));
    });
    const value = create(StepFinishedSchema, {
      allocationId,
      path: place.path,
      outcome: OUTCOME[outcome],
      ...(error ? { error: toExecutionErrorMessage(error) } : {}),
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(output ? { output } : {}),
      ...(usage ? { usage } : {}),
    });
    this.tell({ case: "stepFinished", value });
  }

  #errorOf(outcome: Outcome, place: StepPlace): ExecutionError {
    const { base } = this.#parts;
    const error = errorOfOutcome(outcome, { tier: "process", errorId: base.ids.newId(), onOwn: false });
    return asExecutionError(base, error, place.path);
  }

  #noExecution({ path: allocationPath }: StepPlace): ExecutionError {
    const message =
      "no execution daemon is connected to this process daemon; start one with --parent set to its address";
    const id = this.#parts.base.ids.newId();
    return executionError({
      id,
      type: "DEPENDENCY_UNAVAILABLE",
      reach: "one",
      message,
      tier: "process",
      allocationPath,
      retryAfterMs: LIMITS.retryAfterMs,
    });
  }
}

/** What a step or branch does not state it draws from above as it goes. */
function pooledIn(limits: Limits): Consumable[] {
  return (["credits", "toolCalls"] as const).filter((resource) => limits[resource] === undefined);
}
