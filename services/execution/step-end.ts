/** How a step ended, as it is told and written down. The note stands beside the allocation and outlives the daemon. */
import { create } from "@bufbuild/protobuf";
import { DEADLINE_PASSED } from "#budget";
import { type Notes, stepEndOf } from "#codec";
import { type ExecutionError, executionError } from "#errors";
import { type StepFinished, StepFinishedSchema, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import type { IdSource } from "#ports";
import { toExecutionErrorMessage } from "#rpc";
import type { StepResult } from "./executors/executor.ts";

/** Key of the note. */
export const END_NOTE = "end";

const OUTCOME = {
  succeeded: WorkOutcome.SUCCEEDED,
  failed: WorkOutcome.FAILED,
  stopped: WorkOutcome.STOPPED,
} as const;

interface Ended {
  readonly allocationId: string;
  readonly path: string;
}

export function finishedOf(
  { allocationId, path }: Ended,
  result: StepResult & { interrupted?: boolean },
): StepFinished {
  const { outcome, error, exitCode, output, interrupted = false } = result;
  return create(StepFinishedSchema, {
    allocationId,
    path,
    outcome: OUTCOME[outcome],
    interrupted,
    ...(error ? { error: toExecutionErrorMessage(error) } : {}),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(output ? { output } : {}),
  });
}

/** The result of a step that was ended from outside, by its deadline, a person or the tier above. */
export function stoppedBy(reason: string, { path }: Pick<Ended, "path">, ids: Pick<IdSource, "newId">): StepResult {
  const type = reason === DEADLINE_PASSED ? "TIMEOUT" : "RESOURCE_EXHAUSTED";
  return { outcome: "stopped", error: errorAt(path, ids, { type, message: `stopped: ${reason}` }) };
}

/** The result of a step whose work died with an earlier life of this daemon. */
export function interruptedAt({ path }: Pick<Ended, "path">, ids: Pick<IdSource, "newId">) {
  const message =
    "the execution daemon died while it did this step; what was spent is spent, and nothing of it is done again here";
  const error = errorAt(path, ids, { type: "DEPENDENCY_UNAVAILABLE", message });
  return { outcome: "failed", interrupted: true, error } as const;
}

interface EndedNode {
  readonly id: string;
  readonly path: string;
  readonly notes: Notes;
  readonly closingReason: string | undefined;
}

/** How a step ended whose end is written down; without a note it was ended from outside. */
export function endOfNode(node: EndedNode, ids: Pick<IdSource, "newId">): StepFinished {
  const { id: allocationId, path, notes, closingReason = "closed" } = node;
  return stepEndOf(notes.get(END_NOTE)) ?? finishedOf({ allocationId, path }, stoppedBy(closingReason, { path }, ids));
}

function errorAt(
  allocationPath: string,
  ids: Pick<IdSource, "newId">,
  { type, message }: Pick<ExecutionError, "type" | "message">,
): ExecutionError {
  return executionError({ id: ids.newId(), type, reach: "one", message, tier: "execution", allocationPath });
}
