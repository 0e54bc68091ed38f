/** Hands one step to an execution daemon, or joins it there, and brings back how it ended, once its books are final here. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { usageOf } from "#budget";
import { grantToProto, type StepSpec, stepToProto, traceToProto } from "#codec";
import { type Closings, type DaemonBase, delegateWork, type WorkLines } from "#daemon";
import { type ExecutionError, executionError, FaultError } from "#errors";
import type { GrantSchema, TraceContext as TraceContextMessage } from "#gen/bursar/v1/allocation_pb.js";
import type { Step } from "#gen/bursar/v1/routine_pb.js";
import type { StepFinished, WorkerReady } from "#gen/bursar/v1/run_pb.js";
import type { GrantHandover, TraceContext } from "#ports";
import { LIMITS } from "#std";
import type { Downlink } from "#tier";
import type { FoundNode } from "./run-memory.ts";
import { resultOf, type StepResult } from "./step-result.ts";

/** An order as it is sent; without its number. */
export interface StepOrderInit {
  readonly grant: MessageInitShape<typeof GrantSchema>;
  readonly step?: Step;
  readonly runId?: string;
  readonly trace?: TraceContextMessage;
}

export interface DispatchParts {
  readonly base: DaemonBase;
  readonly downlink: Downlink;
  readonly lines: WorkLines<StepOrderInit>;
  readonly closings: Closings;
}

export interface DispatchOptions {
  readonly path: string;
  /** What is handed over, and to which daemon; or what was handed over before and is joined. */
  readonly work:
    | {
        readonly type: "hand_over";
        readonly grant: GrantHandover;
        readonly holder: string;
        readonly step: StepSpec;
      }
    | { readonly type: "join"; readonly node: FoundNode };
  readonly runId: string;
  readonly trace: TraceContext | undefined;
  readonly onWorkerReady: (event: WorkerReady) => void;
}

/** One try of a step. Lost: `interrupted`, with what it had spent, or `untaken`, before it began. */
export interface StepTry {
  readonly result: StepResult;
  readonly lost?: "interrupted" | "untaken";
}

/** Never rejects: what goes wrong is the step's result. */
export async function dispatchStep(parts: DispatchParts, options: DispatchOptions): Promise<StepTry> {
  const { base, lines, closings, downlink } = parts;
  const { work, path, trace } = options;
  const held = work.type === "join" ? work.node : { ...work.grant, holder: work.holder };
  const { allocationId, epoch, holder = "" } = held;
  const carried = traceToProto(trace);
  const traced = carried ? { trace: carried } : {};
  const join = { grant: { allocationId }, ...traced };
  const handOver = work.type === "join" ? join : { ...orderOf(options, work), ...traced };
  let finished: StepFinished | undefined;
  try {
    const end = await delegateWork({
      base,
      closings,
      downlink,
      grant: { allocationId, epoch },
      holder,
      handsOver: work.type === "hand_over",
      // How a step ended that closed before this daemon died is known to its holder alone, which may be on its way back, too.
      lastEventWaitMs: wasClosed(work) ? LIMITS.foundEndWaitMs : LIMITS.lastEventWaitMs,
      open: (child, how, signal) => lines.follow(child, how === "join" ? join : handOver, signal),
      sequenceOf: ({ sequence }) => Number(sequence),
      onEvent: ({ event }) => {
        if (event.case === "stepFinished") finished = event.value;
        else if (event.case === "workerReady") options.onWorkerReady(event.value);
      },
      isLast: ({ event }) => event.case === "stepFinished",
    });
    if (finished) return { result: resultOf(finished), ...(finished.interrupted ? { lost: "interrupted" } : {}) };
    if (end === "unknown") return await unknownThere(base, work, allocationId, path);
    return await silent(base, work, allocationId, path);
  } catch (error) {
    return { result: { outcome: "failed", error: asExecutionError(base, error, path) } };
  }
}

type HandOver = Extract<DispatchOptions["work"], { type: "hand_over" }>;

function orderOf({ runId }: DispatchOptions, { step, grant }: HandOver) {
  return { runId, step: stepToProto(step), grant: grantToProto(grant) };
}

/** Its holder has never taken it, or has lost it. Either way nothing of it goes on. */
async function unknownThere(
  base: DaemonBase,
  work: DispatchOptions["work"],
  allocationId: string,
  path: string,
): Promise<StepTry> {
  const isUnused = await base.loop.read((state) => {
    const node = state.allocations.get(allocationId);
    if (!node || wasClosed(work)) return false;
    const { credits, toolCalls } = usageOf(node);
    return credits === 0 && toolCalls === 0;
  });
  const message = isUnused
    ? "its execution daemon died before it began with the step"
    : "its execution daemon does not know the step any more";
  const error = errorAt(base, path, { type: "DEPENDENCY_UNAVAILABLE", message });
  return { result: { outcome: "failed", error }, lost: isUnused ? "untaken" : "interrupted" };
}

/** Closed here (by its deadline, by a person) while its holder was away. */
async function silent(
  base: DaemonBase,
  work: DispatchOptions["work"],
  allocationId: string,
  path: string,
): Promise<StepTry> {
  const reason = await base.loop.read((state) => state.allocations.get(allocationId)?.closingReason ?? "closed");
  const message = `the step was closed before its daemon said how it ended: ${reason}`;
  const error = errorAt(base, path, { type: "COMMUNICATION_FAILURE", message });
  return { result: { outcome: "stopped", error }, ...(wasClosed(work) ? { lost: "interrupted" } : {}) };
}

/** It was closed before this daemon was started: it had ended somehow. */
function wasClosed(work: DispatchOptions["work"]): boolean {
  return work.type === "join" && work.node.isClosed;
}

/** Any error as one of the step at `allocationPath`. */
export function asExecutionError(
  base: Pick<DaemonBase, "ids">,
  error: unknown,
  allocationPath: string,
): ExecutionError {
  if (error instanceof FaultError) return error.error;
  const message = error instanceof Error ? error.message : String(error);
  return errorAt(base, allocationPath, { type: "RESOURCE_ALLOCATION_FAILED", message });
}

/** An error of one step, found by this daemon. */
export function errorAt(
  { ids }: Pick<DaemonBase, "ids">,
  allocationPath: string,
  facts: Pick<Parameters<typeof executionError>[0], "type" | "message" | "retryAfterMs">,
): ExecutionError {
  return executionError({ ...facts, id: ids.newId(), reach: "one", tier: "process", allocationPath });
}
