/** The runs this daemon knows: running ones, and the latest ended ones for followers who come late. */
import { create } from "@bufbuild/protobuf";
import { viewOf } from "#codec";
import { EventFeed } from "#daemon";
import { type RunEvent, RunEventSchema, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import type { TraceContext } from "#ports";
import { LIMITS } from "#std";
import { errorOfRefusal } from "#tier";
import { type RunOrder, type RunParts, RunWork } from "./run-work.ts";

export class Runs {
  readonly #parts: RunParts;
  readonly #feeds = new Map<string, EventFeed<RunEvent>>();
  readonly #running = new Map<string, RunWork>();

  constructor(parts: RunParts) {
    this.#parts = parts;
    parts.base.loop.subscribe((message) => {
      if (message.type === "closing" && message.side === "received")
        this.#running.get(message.allocationId)?.stop(message.reason);
    });
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
    const { base } = this.#parts;
    const { allocationId, deadlineLeftMs, leaseTtlMs } = order.grant;
    const known = this.#feeds.get(allocationId);
    if (known) return known;
    const work = new RunWork(this.#parts, order);
    this.#remember(allocationId, work.feed);
    const span = base.telemetry.startSpan({
      name: "bursar.grant",
      parent: order.trace,
      attributes: { "bursar.path": order.grant.path },
    });
    const leaseEndsAtMs = base.loop.nowMs() + leaseTtlMs;
    const taken = base.loop.ask({
      type: "receive_grant",
      ...order.grant,
      deadlineLeftMs,
      leaseEndsAtMs,
      peer: "parent",
      notes: [],
    });
    this.#start(work, span.context);
    const outcome = await taken;
    if (outcome.type === "refused") {
      this.#feeds.delete(allocationId);
      const error = errorOfRefusal(outcome.refusal, { tier: "process", errorId: base.ids.newId(), onOwn: true });
      work.feed.end(error);
      span.end({ error: error.message });
      throw error;
    }
    span.end();
    work.started();
    return work.feed;
  }

  #start(work: RunWork, trace: TraceContext | undefined): void {
    const { runId, feed } = work;
    this.#running.set(runId, work);
    work
      .run(trace)
      .catch((error: unknown) => {
        this.#parts.base.log.error({ err: error, run: runId }, "a run failed by a fault of this daemon");
        feed.end(error);
        void this.#parts.base.loop.ask({
          type: "close",
          allocationId: runId,
          reason: "the run failed by a fault of its daemon",
        });
      })
      .finally(() => this.#running.delete(runId));
  }

  /** Runs whose work died with the last process: closed, settled from the journal, never spent again. */
  async recover(): Promise<void> {
    const { base, closings } = this.#parts;
    const found = await base.loop.read((state) =>
      [...state.roots].filter((node) => node.side === "received" && node.state !== "closed"),
    );
    for (const { id } of found) {
      const feed = new EventFeed<RunEvent>();
      this.#remember(id, feed);
      await base.loop.ask({ type: "close", allocationId: id, reason: "the process daemon was restarted" });
      closings
        .of(id)
        .then(() => this.#tellLost(id, feed))
        .catch((error: unknown) => feed.end(error));
    }
    if (found.length > 0) base.log.info({ runs: found.length }, "runs found in the journal; they are closed");
  }

  async #tellLost(id: string, feed: EventFeed<RunEvent>): Promise<void> {
    const { loop, clock } = this.#parts.base;
    const run = await loop.read((state, nowMs) => {
      const node = state.allocations.get(id);
      return node && viewOf(node, { depth: 0, nowMs });
    });
    const value = { outcome: WorkOutcome.STOPPED, ...(run ? { run } : {}) };
    feed.push(
      create(RunEventSchema, { sequence: 1n, wallTimeMs: BigInt(clock.wallMs()), event: { case: "finished", value } }),
    );
    feed.end();
  }

  #remember(allocationId: string, feed: EventFeed<RunEvent>): void {
    this.#feeds.set(allocationId, feed);
    if (this.#feeds.size <= LIMITS.endedWorkMax) return;
    for (const [id, { ended }] of this.#feeds) {
      if (!ended) continue;
      this.#feeds.delete(id);
      return;
    }
  }

  /** Stops everything and waits until it has ended, `graceMs` at most. */
  async drain(graceMs: number): Promise<void> {
    for (const work of this.#running.values()) work.stop("the process daemon is shutting down");
    await this.#parts.closings.within([...this.#running.keys()], graceMs);
  }
}
