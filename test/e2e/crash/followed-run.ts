/**
 * A client's side of one run: starts it, follows it over lost streams (by the same request_id, then by its id), and sends a worker to each
 * step that waits for one. However the run ends is fine; what it cost is the audit's matter.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { RefusalError, type RefusalReason } from "#errors";
import type { CoordinationService } from "#gen/bursar/v1/coordination_service_pb.js";
import type { RoutineSchema } from "#gen/bursar/v1/routine_pb.js";
import type { RunEvent, WorkerReady } from "#gen/bursar/v1/run_pb.js";
import type { Client } from "#rpc";
import { elapse } from "./elapse.ts";

export interface FollowedRunOptions {
  readonly coordination: Client<typeof CoordinationService>;
  readonly requestId: string;
  readonly swarmId: string;
  readonly routine: MessageInitShape<typeof RoutineSchema>;
  /** Sends a worker to a step; called once for each. */
  readonly onReady: (ready: WorkerReady) => void;
  /** Told each failure, though it asks again after most. */
  readonly onFailure: (error: unknown) => void;
  /** Aborted: a run that has not started by now is not started any more. */
  readonly windUp: AbortSignal;
  /** Aborted: follow it no longer. */
  readonly leave: AbortSignal;
}

const RETRY_MS = 150;
/** A daemon that says this, and says it again, has no more to tell of the run; one that has just restarted may say it for a while. */
const NO_MORE: readonly RefusalReason[] = ["NOT_FOUND", "STATE_FORBIDS"];
const NO_MORE_TIMES_MAX = 5;
/** What no daemon may answer to a well-formed request that is asked again. */
const FAULTS: readonly RefusalReason[] = ["INVALID_ARGUMENT", "REQUEST_ID_REUSED", "UNIMPLEMENTED", "NOT_PERMITTED"];

/** Resolves when the run has ended or cannot be followed any more; to what should not have happened, or nothing. */
export async function followRun(options: FollowedRunOptions): Promise<string | undefined> {
  const { leave, windUp, requestId } = options;
  const seen = new Set<string>();
  const run: { id: string | undefined } = { id: undefined };
  const take = (event: RunEvent): boolean => {
    if (event.event.case === "started") run.id = event.event.value.run?.allocationId;
    if (event.event.case === "workerReady" && !seen.has(event.event.value.allocationId)) {
      seen.add(event.event.value.allocationId);
      options.onReady(event.event.value);
    }
    return event.event.case === "finished";
  };
  let noMore = 0;
  while (!leave.aborted && !(run.id === undefined && windUp.aborted)) {
    try {
      for await (const { events } of open(options, run.id)) if (events.some(take)) return undefined;
    } catch (error) {
      options.onFailure(error);
      const reason = error instanceof RefusalError ? error.refusal.reason : undefined;
      if (reason !== undefined && FAULTS.includes(reason)) return `run ${requestId}: ${error}`;
      noMore = reason !== undefined && NO_MORE.includes(reason) ? noMore + 1 : 0;
      if (noMore === NO_MORE_TIMES_MAX) return undefined;
    }
    await elapse(RETRY_MS, leave);
  }
  return undefined;
}

/** Joins the run by its request once, and by its id where it is known. */
function open({ coordination, requestId, swarmId, routine, leave }: FollowedRunOptions, runId: string | undefined) {
  const options = { signal: leave };
  return runId === undefined
    ? coordination.runRoutine({ requestId, swarmId, routine }, options)
    : coordination.watchRun({ runId }, options);
}
