/** The routine of a replay: one parallel step, and in each branch one worker that draws from the run's budget as it goes. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type BranchSchema, FailurePolicy, type Routine, RoutineSchema } from "#gen/bursar/v1/routine_pb.js";
import { LIMITS } from "#std";

/** Slots: a branch takes one and one for its step; the parallel step all of these; it takes one itself. */
export function replaySlots(branches: number): number {
  return 2 * branches + 1;
}

export interface ReplayRoutineOptions {
  readonly credits: number;
  readonly branches: number;
}

export function replayRoutine({ credits, branches }: ReplayRoutineOptions): Routine {
  const digits = String(branches).length;
  const names = Array.from({ length: branches }, (_, index) => `branch-${String(index + 1).padStart(digits, "0")}`);
  return create(RoutineSchema, {
    name: "replay",
    limits: { maxCredits: BigInt(credits), maxConcurrentBranches: BigInt(replaySlots(branches)) },
    steps: [
      {
        name: "calls",
        limits: { maxConcurrentBranches: BigInt(2 * branches) },
        work: { case: "parallel", value: { branches: names.map(branch) } },
      },
    ],
  });
}

/** A branch that its budget stops is not a failure of the others: each settles what it has in flight. */
const onFailure = FailurePolicy.CONTINUE;

function branch(name: string): MessageInitShape<typeof BranchSchema> {
  const value = { kind: "replay", attachWithinMs: LIMITS.replayAttachWithinMs };
  const worker = { name: "worker", limits: {}, onFailure, work: { case: "worker", value } } as const;
  return { name, limits: { maxConcurrentBranches: 1n }, onFailure, steps: [worker] };
}
