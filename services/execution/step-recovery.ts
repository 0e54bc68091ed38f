/**
 * What a daemon finds in its journal when it starts: steps that were open when its last life ended. A worker step that may go on does;
 * every other has lost its work, is closed and settled from the journal, and says so.
 */
import type { Allocation, BudgetState } from "#budget";
import { type StepAssignment, stepEndOf, stepWorkOf } from "#codec";
import type { StepFinished } from "#gen/bursar/v1/run_pb.js";
import type { IdSource } from "#ports";
import type { StepResult } from "./executors/executor.ts";
import { END_NOTE, finishedOf, interruptedAt, stoppedBy } from "./step-end.ts";
import type { StepFacts } from "./step-work.ts";

export interface FoundStep {
  readonly facts: StepFacts;
  readonly next:
    | { readonly type: "go_on"; readonly worker: WorkerAssignment }
    /** It has ended, or ends now. */
    | { readonly type: "end"; readonly finished: StepFinished };
}

type WorkerAssignment = Extract<StepAssignment["step"], { kind: "worker" }>;

/** The steps that are not closed yet. */
export function foundSteps(state: BudgetState, ids: Pick<IdSource, "newId">): FoundStep[] {
  const open = [...state.roots].filter((node) => node.side === "received" && node.state !== "closed");
  return open.map((node) => foundStep(node, ids));
}

function foundStep(node: Allocation, ids: Pick<IdSource, "newId">): FoundStep {
  const { id: allocationId, path, epoch, token, pooled } = node;
  const work = stepWorkOf(node.notes);
  const facts = { allocationId, path, epoch, token, pooled, trace: work?.trace };
  const told = stepEndOf(node.notes.get(END_NOTE));
  if (told) return { facts, next: { type: "end", finished: told } };
  const end = (result: StepResult & { interrupted?: boolean }): FoundStep => ({
    facts,
    next: { type: "end", finished: finishedOf(facts, result) },
  });
  if (node.state === "closing") return end(stoppedBy(node.closingReason ?? "closing", facts, ids));
  const { step } = work ?? {};
  if (step?.kind === "worker" && step.onInterruption === "continue")
    return { facts, next: { type: "go_on", worker: step } };
  return end(interruptedAt(facts, ids));
}
