/** The runs this daemon knows: running ones, and the latest ended ones for followers who come late. */
import { create } from "@bufbuild/protobuf";
import { lowBudgetToProto, type RoutineSpec, runEndOf, runWorkNotes, viewOf } from "#codec";
import {
  checkGrantor,
  drainingRefusal,
  type EventFeed,
  isOfTheEnd,
  lowBudgetOf,
  takeGrant,
  traceLowBudget,
} from "#daemon";
import { RefusalError } from "#errors";
import { type RunEvent, type RunFinished, RunFinishedSchema, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import type { GrantHandover, LowBudget, TraceContext } from "#ports";
import { LIMITS } from "#std";
import { errorOfRefusal, type Uplink } from "#tier";
import { END_NOTE, type FoundRun, foundRuns, type RunFacts, routineIfStopped } from "./run-facts.ts";
import { type FoundNotes, RunMemory } from "./run-memory.ts";
import { RunTelling } from "./run-telling.ts";
import { type RunParts, RunWork } from "./run-work.ts";

export interface RunOrder {
  readonly grant: GrantHandover;
  /** The life of the daemon that grants; empty: any. */
  readonly grantorIncarnation: string;
  readonly routine: RoutineSpec;
  readonly trace: TraceContext | undefined;
}

export interface RunsParts extends RunParts {
  readonly uplink: Uplink;
}

/** Nothing is known of how it ended. */
const STOPPED = create(RunFinishedSchema, { outcome: WorkOutcome.STOPPED });

export class Runs {
  readonly #parts: RunsParts;
  readonly #feeds = new Map<string, EventFeed<RunEvent>>();
  readonly #running = new Map<string, RunWork>();
  #lives = 0;
  #draining = false;

  constructor(parts: RunsParts) {
    this.#parts = parts;
    parts.base.loop.subscribe((message) => {
      if (message.type === "closing" && message.side === "received")
        this.#running.get(message.allocationId)?.stop(message.reason);
      const low = lowBudgetOf(message);
      if (low) this.#onLowBudget(low);
    });
  }

  /** Of a run, or of a branch in it. */
  #onLowBudget(low: LowBudget): void {
    const isIn = ({ facts }: RunWork) => low.path === facts.path || low.path.startsWith(`${facts.path}/`);
    const work = this.#running.get(low.allocationId) ?? [...this.#running.values()].find(isIn);
    if (!work) return;
    traceLowBudget(this.#parts.base.telemetry, work.trace, low);
    work.telling.tell({ case: "lowBudget", value: lowBudgetToProto(low) });
  }

  /** Trace of a running run. */
  traceOf(runId: string): TraceContext | undefined {
    return this.#running.get(runId)?.trace;
  }

  /** How a node of a running run ended; undefined while it goes on, or when the run is not known. */
  outcomeOf(allocationId: string): string | undefined {
    for (const { outcomes } of this.#running.values()) {
      const outcome = outcomes.get(allocationId);
      if (outcome !== undefined) return outcome;
    }
    return undefined;
  }

  /** Takes a run. The same grant again joins the same run. Throws the refusal when the grant cannot be taken. */
  async begin(order: RunOrder): Promise<EventFeed<RunEvent>> {
    const { base, uplink } = this.#parts;
    const { grant, routine, trace } = order;
    const { allocationId, name, path, limits, priority } = grant;
    const known = this.#feeds.get(allocationId);
    if (known) return known;
    if (this.#draining) throw new RefusalError(drainingRefusal());
    checkGrantor(uplink.parent, order.grantorIncarnation);
    const work = this.#remember({ trace, runId: allocationId, name, path, limits, priority });
    const { telling } = work;
    const attributes = { "bursar.path": path };
    const span = base.telemetry.startSpan({ name: "bursar.grant", parent: trace, attributes });
    const taken = takeGrant(base, grant, runWorkNotes(order));
    this.#start(work, work.run(routine, span.context));
    const outcome = await taken;
    if (outcome.type === "refused") {
      work.abandon();
      this.#feeds.delete(allocationId);
      const error = errorOfRefusal(outcome.refusal, { tier: "process", errorId: base.ids.newId(), onOwn: true });
      telling.feed.end(error);
      span.end({ error: error.message });
      throw error;
    }
    span.end();
    // What is known and not here has ended long ago: everything that was open is taken up at the start.
    if (outcome.type === "opened" && outcome.repeated) {
      work.abandon();
      telling.finish({ case: "finished", value: (await this.#endOf(allocationId)) ?? STOPPED });
    } else telling.started(work.facts);
    return telling.feed;
  }

  /** Follows a run that is known here. Throws NOT_FOUND when it is not. */
  async join(allocationId: string): Promise<EventFeed<RunEvent>> {
    const known = this.#feeds.get(allocationId);
    if (known) return known;
    const ended = await this.#endOf(allocationId);
    const meanwhile = this.#feeds.get(allocationId);
    if (meanwhile) return meanwhile;
    if (!ended) throw new RefusalError({ reason: "NOT_FOUND", message: `no run ${allocationId} is known here` });
    const telling = new RunTelling(this.#parts.base, this.#lives);
    telling.finish({ case: "finished", value: ended });
    return telling.feed;
  }

  /** How a run ended that is closed, as it was written down. */
  #endOf(allocationId: string): Promise<RunFinished | undefined> {
    return this.#parts.base.loop.read((state, nowMs) => {
      const node = state.allocations.get(allocationId);
      if (node?.side !== "received" || node.state !== "closed") return undefined;
      const end = runEndOf(node.notes.get(END_NOTE)) ?? STOPPED;
      return { ...end, run: viewOf(node, { depth: 0, nowMs }), ...routineIfStopped(node) };
    });
  }

  #start(work: RunWork, doing: Promise<void>): void {
    const { runId: allocationId, telling } = work;
    const { log, loop } = this.#parts.base;
    this.#running.set(allocationId, work);
    doing
      .catch((error: unknown) => {
        telling.feed.end(error);
        // The next life of this daemon takes it up.
        if (isOfTheEnd(error)) return;
        log.error({ err: error, run: allocationId }, "a run failed by a fault of this daemon");
        void loop.ask({ type: "close", allocationId, reason: "the run failed by a fault of its daemon" });
      })
      .finally(() => this.#running.delete(allocationId));
  }

  /** Takes up the runs of the last life where they were: nothing that has ended is done again, what is open is joined. */
  async recover(): Promise<void> {
    const { loop, log } = this.#parts.base;
    const { lives, waiting, found } = await loop.read((state) => ({
      lives: state.lives,
      waiting: [...state.allocations.values()].flatMap(({ waiters }) => [...waiters].map(({ request }) => request)),
      found: foundRuns(state),
    }));
    // They named daemons of that time: whoever still wants it asks anew. Work that stands still is nobody's request.
    for (const { caller, requestId } of waiting) {
      if (caller.startsWith("run:")) await loop.ask({ type: "cancel_request", caller, requestId });
    }
    this.#lives = lives;
    for (const run of found) this.#takeUp(run);
    if (found.length > 0) log.info({ runs: found.length }, "runs found in the journal; they go on");
  }

  #takeUp({ facts, routine, found, closingReason, end }: FoundRun): void {
    const work = this.#remember(facts, found);
    work.telling.started(facts);
    if (end || !routine) {
      this.#start(work, work.end(end ?? STOPPED, "the process daemon was restarted"));
      return;
    }
    if (closingReason !== undefined) work.hold(closingReason);
    this.#start(work, work.run(routine, facts.trace));
  }

  #remember(facts: RunFacts, found?: FoundNotes): RunWork {
    const { base } = this.#parts;
    const { runId, path } = facts;
    const telling = new RunTelling(base, this.#lives);
    const work = new RunWork(this.#parts, { facts, telling, memory: new RunMemory({ base, runId, path, found }) });
    this.#feeds.set(runId, telling.feed);
    this.#forgetOldest();
    return work;
  }

  #forgetOldest(): void {
    if (this.#feeds.size <= LIMITS.endedWorkMax) return;
    for (const [id, { ended }] of this.#feeds) {
      if (!ended) continue;
      this.#feeds.delete(id);
      return;
    }
  }

  /** Takes nothing more, stops everything and waits until it has ended, `graceMs` at most. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    for (const work of this.#running.values()) work.stop("the process daemon is shutting down");
    await this.#parts.closings.within([...this.#running.keys()], graceMs);
  }
}
