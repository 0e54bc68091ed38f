/**
 * A run as this daemon does it: carves its budget step by step, hands steps to execution daemons and tells what happens. In a later life
 * of the daemon the same run is gone through again: what has ended is answered from the journal, what is open is joined.
 */
import { create } from "@bufbuild/protobuf";
import { DEADLINE_PASSED, gaveWay, isUsedUp, type OpenWish, type Outcome, usageOf } from "#budget";
import { type RoutineSpec, runEndNote, usageToProto, viewOf } from "#codec";
import { type ChildLoads, pause, type WaitedGrants } from "#daemon";
import type { ExecutionError } from "#errors";
import { type RunFinished, RunFinishedSchema, type StepFinished, StepFinishedSchema } from "#gen/bursar/v1/run_pb.js";
import type { TraceContext } from "#ports";
import { toExecutionErrorMessage } from "#rpc";
import { LIMITS } from "#std";
import { errorOfOutcome, traceDecision, traceRefusal } from "#tier";
import { END_NOTE, type RunFacts, routineIfStopped } from "./run-facts.ts";
import type { RunMemory } from "./run-memory.ts";
import { type DoableStep, type RunActs, RunStateMachine } from "./run-state-machine.ts";
import type { RunTelling } from "./run-telling.ts";
import { SiblingWaits } from "./sibling-waits.ts";
import {
  asExecutionError,
  type DispatchOptions,
  type DispatchParts,
  dispatchStep,
  errorAt,
  type StepTry,
} from "./step-dispatch.ts";
import { OUTCOME, resultOf, type StepPlace, type StepResult } from "./step-result.ts";
import { callerOf, wishFor } from "./step-wish.ts";

/** Refusals that end by themselves, or with the run. */
const PASSING: ReadonlySet<string> = new Set(["lease_ended", "paused"]);

export interface RunParts extends DispatchParts {
  readonly loads: ChildLoads;
  readonly grants: WaitedGrants;
}

export interface RunWorkOptions {
  readonly facts: RunFacts;
  readonly memory: RunMemory;
  readonly telling: RunTelling;
}

export class RunWork implements RunActs {
  readonly facts: RunFacts;
  readonly telling: RunTelling;
  /** How the nodes of this run ended, by allocation. */
  readonly outcomes = new Map<string, StepResult["outcome"]>();
  /** Trace under which its work goes on. */
  trace: TraceContext | undefined;
  readonly #parts: RunParts;
  readonly #memory: RunMemory;
  readonly #machine: RunStateMachine;
  /** Of branches and parallel steps that are open. */
  readonly #parentOf = new Map<string, string>();
  readonly #waits: SiblingWaits;
  #isAbandoned = false;
  #stopReason: string | undefined;

  constructor(parts: RunParts, { facts, memory, telling }: RunWorkOptions) {
    this.#parts = parts;
    this.facts = facts;
    this.telling = telling;
    this.trace = facts.trace;
    this.#memory = memory;
    this.#machine = new RunStateMachine(this);
    const caller = callerOf(facts);
    this.#waits = new SiblingWaits((requestId) => parts.grants.cancel({ caller, requestId }));
  }

  get runId(): string {
    return this.facts.runId;
  }

  /**
   * Does the run to its end; its allocation is closed and its books are final when this resolves. Begun in the same turn as its grant is
   * taken, so that the first step's wish goes into the same batch; what that leads to is told after the start.
   */
  async run(routine: RoutineSpec, trace: TraceContext | undefined): Promise<void> {
    this.trace = trace ?? this.trace;
    const { runId: allocationId, name, path, limits } = this.facts;
    const end = await this.#machine.run(routine, { allocationId, parentId: "", name, path, limits });
    if (this.#isAbandoned) return;
    const why = end.error ?? (end.outcome === "stopped" ? this.#stopError() : undefined);
    const error = why ? { error: toExecutionErrorMessage(why) } : {};
    await this.end(create(RunFinishedSchema, { outcome: OUTCOME[end.outcome], ...error }), end.outcome);
  }

  /** Ends the run: writes down how, closes it and tells it once its books are final. */
  async end(finished: RunFinished, reason: string): Promise<void> {
    const { base, closings } = this.#parts;
    const { runId: allocationId } = this;
    // Written before the close: what is closed says how it ended, also after a crash.
    base.loop.submit({ type: "attach_note", allocationId, key: END_NOTE, value: runEndNote(finished) }, (outcome) => {
      if (outcome.type === "refused") base.log.warn({ run: allocationId, refusal: outcome.refusal }, "not noted");
    });
    await base.loop.ask({ type: "close", allocationId, reason });
    await closings.of(allocationId);
    this.telling.finish({ case: "finished", value: { ...finished, ...(await this.#view()) } });
  }

  /** It is not this daemon's to do, as its grant turned out: nothing of it begins and nothing is told or written down. */
  abandon(): void {
    this.#isAbandoned = true;
    this.hold("not taken");
    this.telling.silence();
    this.#memory.silence();
  }

  /** No further step begins. */
  hold(reason: string): void {
    this.#stopReason ??= reason;
    this.#machine.stop(reason);
  }

  /** Who stopped it, and why, as it was said. */
  #stopError(): ExecutionError {
    const reason = this.#stopReason ?? "no reason given";
    const type = reason === DEADLINE_PASSED ? "TIMEOUT" : "RESOURCE_EXHAUSTED";
    return errorAt(this.#parts.base, this.facts.path, { type, message: `stopped: ${reason}` });
  }

  stop(reason: string): void {
    this.hold(reason);
    void this.#parts.base.loop.ask({ type: "close", allocationId: this.runId, reason });
  }

  #view() {
    return this.#parts.base.loop.read((state, nowMs) => {
      const node = state.allocations.get(this.runId);
      const outcome = ({ id }: { readonly id: string }) => this.outcomes.get(id) ?? "";
      return node ? { run: viewOf(node, { depth: 0, nowMs, outcome }), ...routineIfStopped(node) } : {};
    });
  }

  ended({ path }: StepPlace): StepResult | undefined {
    const ended = this.#memory.ended(path);
    if (!ended) return undefined;
    const result = resultOf(ended);
    if (result.allocationId !== undefined) this.outcomes.set(result.allocationId, result.outcome);
    return result;
  }

  async openNode(place: StepPlace, kind: "branch" | "step") {
    const known = this.#memory.takeNode(place.path);
    if (known) {
      this.#waits.begin(place.parentId);
      return this.#opened(place, known);
    }
    const outcome = await this.#grant(place, kind, undefined);
    if (outcome.type === "opened") return this.#opened(place, outcome);
    return { error: this.#errorOf(outcome, place) };
  }

  isUsedUp(): Promise<boolean> {
    return this.#parts.base.loop.read((state) => {
      const run = state.allocations.get(this.runId);
      return run !== undefined && isUsedUp(run);
    });
  }

  #opened({ parentId }: StepPlace, { allocationId }: { readonly allocationId: string }) {
    this.#parentOf.set(allocationId, parentId);
    return { allocationId };
  }

  async closeNode(allocationId: string, reason: string): Promise<void> {
    await this.#parts.base.loop.ask({ type: "close", allocationId, reason });
    await this.#parts.closings.of(allocationId);
    const parentId = this.#parentOf.get(allocationId);
    if (parentId !== undefined) this.#waits.end(parentId);
  }

  async doStep(place: StepPlace, step: DoableStep): Promise<StepResult> {
    for (;;) {
      const tried = await this.#try(place, step);
      const { result } = tried;
      const lost = tried.lost ?? (await this.#gaveWay(result));
      if (!lost) return result;
      const { allocationId = "" } = result;
      this.#memory.keepLost(place.path, allocationId);
      const tries = this.#memory.lostTries(place.path);
      // What was never begun is begun, and what gave way waits again; what was interrupted is done again only where that is said.
      const triesMax = lost === "preempted" ? LIMITS.preemptedAttemptsMax : LIMITS.recoveryAttemptsMax;
      const again = (lost !== "interrupted" || step.onInterruption === "retry") && tries < triesMax;
      if (!again) return { ...result, outcome: "failed", error: this.#lostError(place, step, tries, result.error) };
      await this.#tellEnd(place, { ...result, outcome: "failed" }, { interrupted: true });
    }
  }

  /** Whether a step that was stopped gave way to others in this run. */
  async #gaveWay({ outcome, allocationId }: StepResult): Promise<"preempted" | undefined> {
    if (outcome !== "stopped" || allocationId === undefined) return undefined;
    return this.#parts.base.loop.read(({ allocations }) => {
      const node = allocations.get(allocationId);
      return node?.parent?.state === "open" && gaveWay(node) ? "preempted" : undefined;
    });
  }

  /** One try of a step: the one that an earlier life began, or a new one. */
  async #try(place: StepPlace, step: DoableStep): Promise<StepTry> {
    const node = this.#memory.takeNode(place.path);
    if (node) {
      this.#waits.begin(place.parentId);
      return this.#dispatch(place, { type: "join", node }, this.#parts.loads.begin({ instance: node.holder ?? "" }));
    }
    const { base, downlink, loads } = this.#parts;
    const child = await loads.await(downlink, base.clock);
    if (!child) return { result: { outcome: "failed", error: this.#noExecution(place) } };
    const outcome = await this.#grant(place, "step", child.instance);
    if (this.#isAbandoned) return { result: { outcome: "stopped" } };
    if (outcome.type !== "opened") return { result: { outcome: "failed", error: this.#errorOf(outcome, place) } };
    const { allocationId, path, epoch } = outcome;
    const end = loads.begin(child);
    if (outcome.repeated) {
      // Granted to an earlier life of this daemon, for a holder that need not be the one that was asked now.
      const { holder = child.instance, isClosed } = await base.loop.read(({ allocations }) => {
        const node = allocations.get(allocationId);
        return { holder: node?.peer, isClosed: node?.state !== "open" && node?.state !== "closing" };
      });
      const found = { allocationId, path, epoch, holder, isClosed };
      return this.#dispatch(place, { type: "join", node: found }, end);
    }
    this.telling.tell({ case: "stepStarted", value: { $typeName: "bursar.v1.StepStarted", allocationId, path } });
    const grant = downlink.handoverTo(child.instance, outcome);
    return this.#dispatch(place, { type: "hand_over", grant, holder: child.instance, step }, end);
  }

  async #dispatch(place: StepPlace, work: DispatchOptions["work"], end: () => void): Promise<StepTry> {
    const { telemetry, loop } = this.#parts.base;
    const { path } = place;
    const span = telemetry.startSpan({ name: "bursar.split", parent: this.trace, attributes: { "bursar.path": path } });
    if (telemetry.enabled && work.type === "hand_over") {
      traceDecision(span, loop.decisions, work.grant.allocationId);
    }
    const tried = await dispatchStep(this.#parts, {
      path,
      work,
      runId: this.runId,
      trace: span.context,
      onWorkerReady: (value) => this.telling.tell({ case: "workerReady", value }),
    });
    end();
    this.#waits.end(place.parentId);
    const { error } = tried.result;
    span.end(error ? { error: error.message } : {});
    const { allocationId } = work.type === "join" ? work.node : work.grant;
    return { ...tried, result: { ...tried.result, allocationId } };
  }

  /** Carves a node. */
  async #grant(place: StepPlace, kind: "branch" | "step", holder: string | undefined): Promise<Outcome> {
    const { base } = this.#parts;
    const attempt = this.#memory.lostTries(place.path) + 1;
    const attemptOf = this.#memory.lastLost(place.path);
    const wish = wishFor({ base, facts: this.facts, place, kind, holder, attempt, attemptOf });
    const { parentId } = place;
    this.#waits.begin(parentId);
    const outcome = await this.#ask(wish);
    if (outcome.type === "opened") return outcome;
    this.#waits.end(parentId);
    if (outcome.type === "refused") this.#traceRefused(place, wish.requestId, outcome);
    return outcome;
  }

  /**
   * While this daemon's own lease is over, or the run is paused, the wish is made again: it may have been renewed, or the run has ended. So
   * is one that has waited for as long as the queue lets it while others still go on, and keeps its place.
   */
  async #ask(wish: OpenWish): Promise<Outcome> {
    const { base, grants } = this.#parts;
    const { parentId, requestId } = wish;
    // A name that it wants may be held anywhere in the run.
    const isNamed = wish.access !== undefined;
    let [asked, mayWait] = [wish, isNamed || this.#waits.hasOthers(parentId)];
    for (;;) {
      const answer = await grants.ask(mayWait ? { ...asked, waitMs: LIMITS.queueWaitMsMax } : asked);
      const { later } = answer;
      const outcome = later ? await this.#waits.wait(parentId, { requestId, later, isNamed }) : answer.outcome;
      if (outcome.type !== "refused") return outcome;
      const { code } = outcome.refusal;
      if (later && !this.#isStopped) {
        // Called back: then it is told what is short. Or turned away after its time.
        mayWait = code === "conflict" && this.#waits.hasOthers(parentId);
        asked = { arrivedAtMs: base.loop.nowMs(), ...asked };
        continue;
      }
      if (!PASSING.has(code)) return outcome;
      await pause(base.clock, LIMITS.childLookMs);
    }
  }

  get #isStopped(): boolean {
    return this.#stopReason !== undefined || this.#isAbandoned;
  }

  /** What was refused has no span otherwise: nothing is dispatched. */
  #traceRefused(place: StepPlace, requestId: string, outcome: Outcome): void {
    const { telemetry } = this.#parts.base;
    if (!telemetry.enabled) return;
    const attributes = { "bursar.path": place.path };
    const span = telemetry.startSpan({ name: "bursar.split", parent: this.trace, attributes });
    const error = this.#errorOf(outcome, place);
    traceRefusal(span, requestId, error);
    span.end({ error: error.message });
  }

  async finish(place: StepPlace, result: StepResult): Promise<void> {
    await this.#tellEnd(place, result, { interrupted: false });
  }

  async #tellEnd(
    place: StepPlace,
    ended: StepResult,
    { interrupted }: { readonly interrupted: boolean },
  ): Promise<void> {
    const { outcome, error, exitCode, output } = ended;
    const allocationId = ended.allocationId ?? place.allocationId;
    if (allocationId !== "") this.outcomes.set(allocationId, outcome);
    const finished = create(StepFinishedSchema, {
      allocationId,
      path: place.path,
      outcome: OUTCOME[outcome],
      interrupted,
      ...(error ? { error: toExecutionErrorMessage(error) } : {}),
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(output ? { output } : {}),
    });
    if (!interrupted) this.#memory.keepEnd(place.path, finished);
    this.telling.tell({ case: "stepFinished", value: { ...finished, ...(await this.#usageOf(allocationId)) } });
  }

  async #usageOf(allocationId: string): Promise<Pick<StepFinished, "usage">> {
    const usage = await this.#parts.base.loop.read((state) => {
      const node = state.allocations.get(allocationId);
      return node && usageToProto(usageOf(node));
    });
    return usage ? { usage } : {};
  }

  #lostError({ path }: StepPlace, { onInterruption }: DoableStep, tries: number, cause: ExecutionError | undefined) {
    const why = {
      continue: "it could not be continued there",
      retry: `it was tried ${tries} times, and no more`,
      fail: "it is not done again (on_interruption)",
    }[onInterruption];
    const message = `the step was interrupted: ${cause?.message ?? "its execution daemon died"}; ${why}`;
    return errorAt(this.#parts.base, path, { type: "DEPENDENCY_UNAVAILABLE", message });
  }

  #errorOf(outcome: Outcome, place: StepPlace): ExecutionError {
    const { base } = this.#parts;
    const error = errorOfOutcome(outcome, { tier: "process", errorId: base.ids.newId(), onOwn: false });
    return asExecutionError(base, error, place.path);
  }

  #noExecution({ path }: StepPlace): ExecutionError {
    const message =
      "no execution daemon is connected to this process daemon; start one with --parent set to its address";
    const { retryAfterMs } = LIMITS;
    return errorAt(this.#parts.base, path, { type: "DEPENDENCY_UNAVAILABLE", message, retryAfterMs });
  }
}
