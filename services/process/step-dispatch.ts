/** Hands one step to an execution daemon and brings back how it ended, once its books are final here. */
import { grantToProto, type StepSpec, stepToProto } from "#codec";
import { type Closings, type DaemonBase, delegateWork, type Peers } from "#daemon";
import { type ExecutionError, executionError, FaultError } from "#errors";
import { ExecutionService } from "#gen/bursar/v1/execution_service_pb.js";
import { type StepFinished, type WorkerReady, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import type { GrantHandover, TraceContext } from "#ports";
import { fromExecutionErrorMessage } from "#rpc";
import type { ChildDaemon } from "#tier";
import type { StepResult } from "./step-result.ts";

export interface DispatchOptions {
  readonly base: DaemonBase;
  readonly peers: Peers;
  readonly closings: Closings;
  readonly grant: GrantHandover;
  readonly child: ChildDaemon;
  readonly step: StepSpec;
  readonly runId: string;
  readonly trace: TraceContext | undefined;
  readonly onWorkerReady: (event: WorkerReady) => void;
}

const RESULT_OF = new Map<WorkOutcome, StepResult["outcome"]>([
  [WorkOutcome.SUCCEEDED, "succeeded"],
  [WorkOutcome.FAILED, "failed"],
  [WorkOutcome.STOPPED, "stopped"],
]);

/** Never rejects: what goes wrong is the step's result. */
export async function dispatchStep(options: DispatchOptions): Promise<StepResult> {
  const { base, peers, closings, grant, child, step, runId, trace } = options;
  const { instance, incarnation, address } = child;
  const request = { instance, incarnation, runId, step: stepToProto(step), grant: grantToProto(grant) };
  let finished: StepFinished | undefined;
  try {
    await delegateWork({
      base,
      closings,
      grant,
      child,
      open: (signal) => peers.at(address).client(ExecutionService).executeStep(request, { signal, trace }),
      sequenceOf: ({ event }) => Number(event?.sequence ?? 0n),
      onEvent: ({ event }) => {
        if (event?.event.case === "stepFinished") finished = event.event.value;
        else if (event?.event.case === "workerReady") options.onWorkerReady(event.event.value);
      },
      isLast: ({ event }) => event?.event.case === "stepFinished",
    });
  } catch (error) {
    return { outcome: "failed", error: asExecutionError(base, error, grant.path) };
  }
  return finished ? resultOf(finished) : { outcome: "stopped", error: lost(base, grant.path) };
}

function resultOf({ outcome, error, exitCode, output }: StepFinished): StepResult {
  return {
    outcome: RESULT_OF.get(outcome) ?? "failed",
    ...(error ? { error: fromExecutionErrorMessage(error) } : {}),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(output ? { output } : {}),
  };
}

/** Any error as one of the step at `allocationPath`. */
export function asExecutionError({ ids }: DaemonBase, error: unknown, allocationPath: string): ExecutionError {
  if (error instanceof FaultError) return error.error;
  const message = error instanceof Error ? error.message : String(error);
  const facts = { id: ids.newId(), type: "RESOURCE_ALLOCATION_FAILED", reach: "one", message } as const;
  return executionError({ ...facts, tier: "process", allocationPath });
}

function lost({ ids }: DaemonBase, allocationPath: string): ExecutionError {
  const message = "the step was closed before it said how it ended";
  const facts = { id: ids.newId(), type: "COMMUNICATION_FAILURE", reach: "one", message } as const;
  return executionError({ ...facts, tier: "process", allocationPath });
}
