/** One run as coordination follows it: waits for room, is handed to a process daemon, and tells what happens until its books are final. */
import { create } from "@bufbuild/protobuf";
import type { Conflict } from "#budget";
import { conflictToProto, grantToProto, type RoutineSpec, routineToProto, viewOf } from "#codec";
import { delegateWork, EventFeed } from "#daemon";
import { ProcessService } from "#gen/bursar/v1/process_service_pb.js";
import { type RunEvent, RunEventSchema, type RunFinished, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import type { GrantHandover, TraceContext } from "#ports";
import type { ChildDaemon } from "#tier";
import type { SwarmParts } from "./swarm-parts.ts";

/** The name of an outcome as views show it. */
const OUTCOME_NAME = new Map<WorkOutcome, string>([
  [WorkOutcome.SUCCEEDED, "succeeded"],
  [WorkOutcome.FAILED, "failed"],
  [WorkOutcome.STOPPED, "stopped"],
]);

/** Key of the note that keeps how a run ended, beside its allocation. */
export const OUTCOME_NOTE = "outcome";

export interface HandoverOptions {
  readonly grant: GrantHandover;
  readonly child: ChildDaemon;
  readonly routine: RoutineSpec;
  readonly trace: TraceContext | undefined;
}

export class RunRecord {
  readonly runId: string;
  readonly feed = new EventFeed<RunEvent>();
  readonly #parts: SwarmParts;
  #sequence = 0n;

  constructor(runId: string, parts: SwarmParts) {
    this.runId = runId;
    this.#parts = parts;
  }

  tell(event: RunEvent["event"]): void {
    this.#sequence += 1n;
    const wallTimeMs = BigInt(this.#parts.base.clock.wallMs());
    this.feed.push(create(RunEventSchema, { sequence: this.#sequence, wallTimeMs, event }));
  }

  queued(conflict: Conflict): void {
    this.tell({ case: "queued", value: { $typeName: "bursar.v1.RunQueued", conflict: conflictToProto(conflict) } });
  }

  /** Follows the run to its end. A refusal by the process daemon ends the feed with it. */
  async follow({ grant, child, routine, trace }: HandoverOptions): Promise<void> {
    const { base, closings, peers } = this.#parts;
    const { instance, incarnation, address } = child;
    const request = { instance, incarnation, grant: grantToProto(grant), routine: routineToProto(routine) };
    let finished: RunFinished | undefined;
    const onEvent = ({ event }: { readonly event?: RunEvent | undefined }) => {
      if (event?.event.case === "finished") finished = event.event.value;
      else if (event) this.tell(event.event);
    };
    try {
      await delegateWork({
        base,
        closings,
        grant,
        child,
        open: (signal) => peers.at(address).client(ProcessService).executeRoutine(request, { signal, trace }),
        sequenceOf: ({ event }) => Number(event?.sequence ?? 0n),
        onEvent,
        isLast: ({ event }) => event?.event.case === "finished",
      });
    } catch (error) {
      this.feed.end(error);
      return;
    }
    await this.#finish(finished);
  }

  /** Tells the end with the books as they stand here, and keeps how it ended with the allocation. */
  async #finish(finished: RunFinished | undefined): Promise<void> {
    const { base } = this.#parts;
    const outcome = finished?.outcome ?? WorkOutcome.STOPPED;
    const name = OUTCOME_NAME.get(outcome) ?? "failed";
    await base.loop.ask({ type: "attach_note", allocationId: this.runId, key: OUTCOME_NOTE, value: name });
    const run = await base.loop.read((state, nowMs) => {
      const node = state.allocations.get(this.runId);
      return node && viewOf(node, { depth: 0, nowMs, outcome: () => name });
    });
    this.#parts.trees.keep(this.runId, finished?.run?.children ?? []);
    if (run) run.children = finished?.run?.children ?? [];
    const error = finished?.error ? { error: finished.error } : {};
    this.tell({
      case: "finished",
      value: { $typeName: "bursar.v1.RunFinished", outcome, ...error, ...(run ? { run } : {}) },
    });
    this.feed.end();
  }
}
