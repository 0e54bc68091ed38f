/** Where a step stands in its run, and how it ended. */
import type { Limits } from "#budget";
import type { ExecutionError } from "#errors";
import type { StepOutput } from "#gen/bursar/v1/run_pb.js";

export interface StepPlace {
  /** Empty until it has one. */
  readonly allocationId: string;
  readonly parentId: string;
  readonly name: string;
  /** Path of names from the account down. */
  readonly path: string;
  readonly limits: Limits;
}

export interface StepResult {
  readonly outcome: "succeeded" | "failed" | "stopped" | "skipped";
  readonly allocationId?: string;
  readonly error?: ExecutionError;
  readonly exitCode?: number;
  readonly output?: StepOutput;
}
