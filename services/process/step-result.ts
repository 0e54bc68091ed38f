/** Where a step stands in its run, and how it ended. */
import type { Access, Limits, StrategyName } from "#budget";
import type { ShareTerms } from "#codec";
import type { ExecutionError } from "#errors";
import { type StepFinished, type StepOutput, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import { fromExecutionErrorMessage } from "#rpc";

export interface StepPlace {
  /** Empty until it has one. */
  readonly allocationId: string;
  readonly parentId: string;
  readonly name: string;
  /** Path of names from the account down. */
  readonly path: string;
  readonly limits: Limits;
  /** How it takes part where budget is divided by weight. */
  readonly share?: ShareTerms;
  /** Names of tools and resources that it is to hold. */
  readonly access?: readonly Access[];
  /** How what is in it competes; absent: as what is above says. */
  readonly strategy?: StrategyName;
  /** The final step of a run that keeps a reserve for it. */
  readonly wrapUp?: true;
}

export interface StepResult {
  readonly outcome: "succeeded" | "failed" | "stopped" | "skipped";
  readonly allocationId?: string;
  readonly error?: ExecutionError;
  readonly exitCode?: number;
  readonly output?: StepOutput;
}

export const OUTCOME = {
  succeeded: WorkOutcome.SUCCEEDED,
  failed: WorkOutcome.FAILED,
  stopped: WorkOutcome.STOPPED,
  skipped: WorkOutcome.SKIPPED,
} as const;

const RESULT_OF = new Map<WorkOutcome, StepResult["outcome"]>([
  [WorkOutcome.SUCCEEDED, "succeeded"],
  [WorkOutcome.FAILED, "failed"],
  [WorkOutcome.STOPPED, "stopped"],
  [WorkOutcome.SKIPPED, "skipped"],
]);

/** A name that only a newer peer knows reads as failed. */
export function outcomeOf(outcome: WorkOutcome): StepResult["outcome"] {
  return RESULT_OF.get(outcome) ?? "failed";
}

export function resultOf({ allocationId, outcome, error, exitCode, output }: StepFinished): StepResult {
  return {
    outcome: outcomeOf(outcome),
    ...(allocationId === "" ? {} : { allocationId }),
    ...(error ? { error: fromExecutionErrorMessage(error) } : {}),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(output ? { output } : {}),
  };
}
