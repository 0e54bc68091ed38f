/**
 * Follows a run from its beginning to its end, over lost streams: the same request_id joins the same run again, and events that were
 * seen before are passed over. A mesh that is not ready yet, or is starting again, is waited for, a bounded time.
 */
import type { CoordinationService, RunRoutineRequest } from "#gen/bursar/v1/coordination_service_pb.js";
import type { RunEvent } from "#gen/bursar/v1/run_pb.js";
import type { Clock, IdSource, TraceContext } from "#ports";
import { type Client, TransportError } from "#rpc";
import { LIMITS } from "#std";
import { pause } from "../pause.ts";
import { isPassing, retryDelayMs } from "./passing-error.ts";

export interface FollowOptions {
  readonly coordination: Pick<Client<typeof CoordinationService>, "runRoutine">;
  readonly request: RunRoutineRequest;
  readonly clock: Clock;
  readonly ids: Pick<IdSource, "fraction">;
  /** Aborting it leaves the run; the run itself goes on. */
  readonly signal: AbortSignal;
  readonly trace: TraceContext | undefined;
  /** Told once for each time of waiting, with what was in the way. */
  readonly onWaiting: (why: Error) => void;
  /** Default LIMITS.clientPatienceMs. */
  readonly patienceMs?: number;
}

/** The events of the run, each once, the last one `finished`. Throws what the mesh answered when it will not, or not in time. */
export async function* followRun(options: FollowOptions): AsyncGenerator<RunEvent> {
  const { coordination, request, clock, ids, signal, trace, patienceMs = LIMITS.clientPatienceMs } = options;
  let seen = 0n;
  let [troubleSinceMs, attempt] = [undefined as number | undefined, 0];
  for (;;) {
    try {
      for await (const { events } of coordination.runRoutine(request, { signal, trace })) {
        [troubleSinceMs, attempt] = [undefined, 0];
        for (const event of events) {
          if (event.sequence <= seen) continue;
          seen = event.sequence;
          yield event;
          if (event.event.case === "finished") return;
        }
      }
      throw new TransportError("UNAVAILABLE", "the stream of the run ended before the run did");
    } catch (error) {
      if (signal.aborted || !isPassing(error)) throw error;
      const nowMs = clock.monotonicMs();
      if (troubleSinceMs === undefined) options.onWaiting(error);
      troubleSinceMs ??= nowMs;
      if (nowMs - troubleSinceMs >= patienceMs) throw error;
      await pause(retryDelayMs(error, { attempt, ids }), options);
      attempt += 1;
    }
  }
}
