/** Routines of the swarms: the replay's one wide step, and runs of any shape with steps in turn, branches, and limits of their own or none. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type BranchSchema, FailurePolicy, type RoutineSchema, type StepSchema } from "#gen/bursar/v1/routine_pb.js";
import type { Prng } from "#std";

type Routine = MessageInitShape<typeof RoutineSchema>;
type Step = MessageInitShape<typeof StepSchema>;
type Branch = MessageInitShape<typeof BranchSchema>;

/** A step whose worker does not come in time fails: soon, for the round waits for it. */
const ATTACH_WITHIN_MS = 2_500;
/** More than any run needs. */
const SLOTS = 64n;

/** One parallel step with a pooled worker in each branch, as `bursar replay` runs it. */
export function replayRoutine(name: string, { credits, branches }: { credits: number; branches: number }): Routine {
  const onFailure = FailurePolicy.CONTINUE;
  const branch = (_: unknown, at: number): Branch => ({
    name: `branch-${at + 1}`,
    limits: { maxConcurrentBranches: 1n },
    onFailure,
    steps: [{ ...workerStep("worker", {}), onFailure }],
  });
  return {
    name,
    limits: { maxCredits: BigInt(credits), maxConcurrentBranches: BigInt(2 * branches + 1) },
    steps: [
      {
        name: "calls",
        limits: { maxConcurrentBranches: BigInt(2 * branches) },
        work: { case: "parallel", value: { branches: Array.from({ length: branches }, branch) } },
      },
    ],
  };
}

/** A run of one to three steps, each a worker or some branches of workers, pooled or with a limit of its own. */
export function anyRoutine(name: string, prng: Prng): Routine {
  const maxCredits = BigInt(500 + prng.below(2_500));
  const maxToolCalls = BigInt(5 + prng.below(30));
  const steps = Array.from({ length: 1 + prng.below(3) }, (_, at) => anyStep(`step-${at + 1}`, prng));
  return { name, limits: { maxCredits, maxToolCalls, maxConcurrentBranches: SLOTS }, steps };
}

function anyStep(name: string, prng: Prng): Step {
  const onFailure = prng.below(2) === 0 ? FailurePolicy.CONTINUE : FailurePolicy.FAIL;
  if (prng.below(3) > 0) return { ...workerStep(name, anyLimits(prng)), onFailure };
  const branches = Array.from({ length: 2 + prng.below(2) }, (_, at): Branch => {
    const steps = [workerStep("work", anyLimits(prng))];
    return {
      name: `branch-${at + 1}`,
      limits: { ...anyBranchLimits(prng), maxConcurrentBranches: 2n },
      steps,
      onFailure,
    };
  });
  return { name, onFailure, limits: { maxConcurrentBranches: 9n }, work: { case: "parallel", value: { branches } } };
}

/** Pooled in both resources, or with a limit of its own in both. */
function anyLimits(prng: Prng) {
  return prng.below(2) === 0
    ? {}
    : { maxCredits: BigInt(100 + prng.below(400)), maxToolCalls: BigInt(1 + prng.below(4)) };
}

/** Large enough for a step that has limits of its own. */
function anyBranchLimits(prng: Prng) {
  return prng.below(2) === 0
    ? {}
    : { maxCredits: BigInt(500 + prng.below(200)), maxToolCalls: BigInt(4 + prng.below(4)) };
}

function workerStep(name: string, limits: Step["limits"]): Step {
  return { name, limits, work: { case: "worker", value: { kind: "test", attachWithinMs: ATTACH_WITHIN_MS } } };
}
