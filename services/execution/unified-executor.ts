/**
 * Steps of every kind, the same way: take the grant, do the work by the executor of its kind, close the allocation, and say how it
 * ended once its books are final. Both the work and its end are written down beside the grant, so that a later life of the daemon goes on
 * with a step, or answers how it ended, and never does it a second time.
 */
import type { StepSpec } from "#codec";
import { stepEndNote, stepWorkNotes } from "#codec";
import { Closings, checkGrantor, type DaemonBase, drainingRefusal, eventNumbers, takeGrant } from "#daemon";
import { RefusalError } from "#errors";
import type { StepFinished } from "#gen/bursar/v1/run_pb.js";
import type { GrantHandover, TraceContext } from "#ports";
import { errorOfRefusal, type Uplink } from "#tier";
import { ExecutorKinds, type ExecutorKindsOptions } from "./executor-kinds.ts";
import type { Executor } from "./executors/executor.ts";
import { WorkerExecutor } from "./executors/worker.ts";
import { END_NOTE, endOfNode, finishedOf } from "./step-end.ts";
import { type FoundStep, foundSteps } from "./step-recovery.ts";
import { StepRegistry } from "./step-registry.ts";
import { type StepFacts, StepWork } from "./step-work.ts";
import { TopUps } from "./top-up.ts";

export interface StepOrder {
  readonly grant: GrantHandover;
  /** The life of the daemon that grants; empty: any. */
  readonly grantorIncarnation: string;
  readonly step: StepSpec;
  readonly runId: string;
  readonly trace: TraceContext | undefined;
}

export interface UnifiedExecutorOptions extends Omit<ExecutorKindsOptions, "topUps"> {
  readonly base: DaemonBase;
  readonly uplink: Uplink;
}

interface Ready {
  readonly work: StepWork;
  readonly token: string;
  readonly kind: string;
}

export class UnifiedExecutor {
  readonly steps = new StepRegistry();
  readonly topUps: TopUps;
  readonly #options: UnifiedExecutorOptions;
  readonly #kinds: ExecutorKinds;
  readonly #closings: Closings;
  /** Worker steps found at the start, whose workers are called once this daemon can be reached. */
  #found: Ready[] = [];
  #lives = 0;
  #draining = false;

  constructor(options: UnifiedExecutorOptions) {
    this.#options = options;
    const { loop, ids, clock } = options.base;
    this.#closings = new Closings(loop, clock);
    this.topUps = new TopUps({ loop, ids, uplink: options.uplink, stepOf: (id) => this.steps.get(id) });
    this.#kinds = new ExecutorKinds({ ...options, topUps: this.topUps });
    loop.subscribe((message) => {
      if (message.type === "closing" && message.side === "received")
        this.stop(message.allocationId, message.reason, message.stop?.graceMs);
      if (message.type === "paused") this.steps.get(message.allocationId)?.executor?.pause?.();
      if (message.type === "resumed") this.steps.get(message.allocationId)?.executor?.resume?.();
      // Nobody above is there to see what it costs; a worker may wait for a renewal, running code cannot.
      if (message.type === "lease_ended") this.steps.get(message.allocationId)?.executor?.orphaned?.();
    });
  }

  /** Takes up the steps of the last life: those that can go on do, the others are closed and settled, never spent again. */
  async recover(): Promise<void> {
    const { loop, ids, log } = this.#options.base;
    const { lives, found } = await loop.read((state) => ({ lives: state.lives, found: foundSteps(state, ids) }));
    this.#lives = lives;
    for (const step of found) this.#takeUp(step);
    if (found.length === 0) return;
    log.info({ steps: found.length, goOn: this.#found.length }, "steps found in the journal");
  }

  #takeUp({ facts, next }: FoundStep): void {
    const work = this.#remember(facts);
    if (next.type === "end") {
      this.#guarded(
        work,
        this.#end(work, next.finished, next.finished.interrupted ? "execution was restarted" : "ended"),
      );
      return;
    }
    const { attachWithinMs, kind } = next.worker.worker;
    const { clock, ids } = this.#options.base;
    this.#found.push({ work, token: facts.token ?? "", kind });
    this.#guarded(work, this.#work(work, new WorkerExecutor({ path: work.path, attachWithinMs, clock, ids })));
  }

  /** This daemon can be reached: the workers of steps that go on are called again. */
  served(): void {
    for (const ready of this.#found) this.#callWorker(ready);
    this.#found = [];
  }

  /** Takes a step. The same grant again joins the same step. Throws the refusal when the grant cannot be taken. */
  async begin(order: StepOrder): Promise<StepWork> {
    const { base, uplink } = this.#options;
    const { grant, trace } = order;
    const { allocationId, path } = grant;
    const known = this.steps.get(allocationId);
    if (known) return known;
    if (this.#draining) throw new RefusalError(drainingRefusal());
    checkGrantor(uplink.parent, order.grantorIncarnation);
    const work = this.#remember({ ...grant, trace });
    const span = base.telemetry.startSpan({ name: "bursar.grant", parent: trace, attributes: { "bursar.path": path } });
    const outcome = await takeGrant(base, grant, stepWorkNotes(order));
    if (outcome.type === "refused") {
      this.steps.ended(allocationId);
      const error = errorOfRefusal(outcome.refusal, { tier: "execution", errorId: base.ids.newId(), onOwn: true });
      work.feed.end(error);
      span.end({ error: error.message });
      throw error;
    }
    span.end();
    // What is known and not here has ended long ago: everything that was open is taken up at the start.
    if (outcome.type === "opened" && outcome.repeated) await this.#tellEnd(work);
    else this.#begin(work, order);
    return work;
  }

  /** Follows a step that is known here. Throws NOT_FOUND when it is not. */
  async join(allocationId: string): Promise<StepWork> {
    const known = this.steps.get(allocationId);
    if (known) return known;
    const facts = await this.#options.base.loop.read((state): StepFacts | undefined => {
      const node = state.allocations.get(allocationId);
      return node?.side === "received" ? { ...node, path: node.path, allocationId, trace: undefined } : undefined;
    });
    const meanwhile = this.steps.get(allocationId);
    if (meanwhile) return meanwhile;
    if (!facts) throw new RefusalError({ reason: "NOT_FOUND", message: `no step ${allocationId} is known here` });
    const work = this.#remember(facts);
    await this.#tellEnd(work);
    return work;
  }

  /** Ends the work of a step early; its allocation closes once nothing of it is left. `graceMs`: default the usual one. */
  stop(allocationId: string, reason: string, graceMs?: number): void {
    this.steps.get(allocationId)?.executor?.stop(reason, graceMs);
  }

  /** Takes nothing more, stops everything and waits until it has ended, `graceMs` at most. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    const running = this.steps.running();
    for (const { executor } of running) executor?.stop("the execution daemon is shutting down");
    await this.#closings.within(
      running.map(({ allocationId }) => allocationId),
      graceMs,
    );
  }

  #remember(facts: StepFacts): StepWork {
    const work = new StepWork(facts, { clock: this.#options.base.clock, nextNumber: eventNumbers(this.#lives) });
    this.steps.add(work);
    return work;
  }

  #begin(work: StepWork, order: StepOrder): void {
    const { step, grant } = order;
    if (step.kind === "worker") {
      this.#callWorker({ work, token: grant.token ?? "", kind: step.worker.kind });
    }
    this.#guarded(work, this.#work(work, this.#kinds.of(work, order)));
  }

  #guarded(work: StepWork, doing: Promise<void>): void {
    const { loop, log } = this.#options.base;
    const { allocationId, path } = work;
    doing.catch((error: unknown) => {
      log.error({ err: error, path }, "a step failed by a fault of this daemon");
      work.feed.end(error);
      void loop.ask({ type: "close", allocationId, reason: "the step failed by a fault of its daemon" });
    });
  }

  #callWorker({ work, token, kind }: Ready): void {
    const { allocationId, path } = work;
    work.tell({ case: "workerReady", value: { allocationId, path, token, address: this.#options.address(), kind } });
  }

  async #work(work: StepWork, executor: Executor): Promise<void> {
    work.executor = executor;
    const result = await executor.run();
    await this.#end(work, finishedOf(work, result), result.outcome);
  }

  async #end(work: StepWork, finished: StepFinished, reason: string): Promise<void> {
    const { loop, log } = this.#options.base;
    const { allocationId } = work;
    // Written before the close: what is closed says how it ended, also after a crash.
    loop.submit({ type: "attach_note", allocationId, key: END_NOTE, value: stepEndNote(finished) }, (outcome) => {
      if (outcome.type === "refused")
        log.warn({ allocationId, refusal: outcome.refusal }, "a step's end was not noted");
    });
    await loop.ask({ type: "close", allocationId, reason });
    await this.#closings.of(allocationId);
    this.#tell(work, finished);
  }

  /** Tells how a step ended that is closed already. */
  async #tellEnd(work: StepWork): Promise<void> {
    const { loop, ids } = this.#options.base;
    await this.#closings.of(work.allocationId);
    const finished = await loop.read((state) => {
      const node = state.allocations.get(work.allocationId);
      const gone = { id: work.allocationId, path: work.path, notes: new Map(), closingReason: undefined };
      return endOfNode(node ?? gone, ids);
    });
    this.#tell(work, finished);
  }

  #tell(work: StepWork, value: StepFinished): void {
    work.tell({ case: "stepFinished", value: { ...value, path: work.path } });
    work.feed.end();
    this.steps.ended(work.allocationId);
  }
}
