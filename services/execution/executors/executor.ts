/** What does the work of a step. One executor per kind of work; the unified executor knows nothing of how. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ExecutionError } from "#errors";
import type { StepOutputSchema } from "#gen/bursar/v1/run_pb.js";

export interface StepResult {
  readonly outcome: "succeeded" | "failed" | "stopped";
  readonly error?: ExecutionError;
  readonly exitCode?: number;
  readonly output?: MessageInitShape<typeof StepOutputSchema>;
}

export interface Executor {
  /** Does the work; resolves when nothing of it is left. Never rejects for a failure of the work itself. */
  run(): Promise<StepResult>;
  /** Ends the work early; what it made so far is kept. The first reason stands. `graceMs` before force: default the usual one. */
  stop(reason: string, graceMs?: number): void;
  /** No call of it is taken until `resume`: it stands still at its next safe point and keeps its state. Absent: it needs no telling. */
  pause?(): void;
  resume?(): void;
  /** The lease has ended unrenewed: ends work that would cost on without anybody to see it. Absent: its calls are refused until a renewal. */
  orphaned?(): void;
}
