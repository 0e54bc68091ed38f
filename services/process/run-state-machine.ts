/**
 * One run: STARTED → its steps, one after the other, branches side by side → SUCCEEDED, FAILED or STOPPED. Each step gets its budget
 * carved before it begins and gives back what it did not need when it ends; work that was paid for is kept, so branches that still run
 * when another fails are left to finish. A step that fails for lack of budget ends the run as any failure does, but the run's final step
 * (`wrap_up`) is done first: what the run keeps for it is there.
 */
import type { BranchSpec, RoutineSpec, StepSpec } from "#codec";
import type { ExecutionError } from "#errors";
import type { StepPlace, StepResult } from "./step-result.ts";

/** A step that somebody else does. */
export type DoableStep = Exclude<StepSpec, { kind: "parallel" }>;

/** What the run needs done; the daemon does it. */
export interface RunActs {
  /** How a step or branch ended in an earlier life of the daemon, told and written down then; undefined when it did not. */
  ended(place: StepPlace): StepResult | undefined;
  /** Carves a node for a branch or a parallel step under `parentId`. Answers its allocation, or why not. */
  openNode(
    place: StepPlace,
    kind: "branch" | "step",
  ): Promise<{ readonly allocationId: string } | { readonly error: ExecutionError }>;
  /** Closes such a node and waits until it is closed. */
  closeNode(allocationId: string, reason: string): Promise<void>;
  /** Whether the run has no credits left but what it keeps for its final step. */
  isUsedUp(): Promise<boolean>;
  /** Carves a step's budget, has an execution daemon do it, and waits until its books are final here. */
  doStep(place: StepPlace, step: DoableStep): Promise<StepResult>;
  /** Writes down and tells the followers of the run how a step or branch ended and what it used. */
  finish(place: StepPlace, result: StepResult): Promise<void>;
}

export interface RunEnd {
  readonly outcome: "succeeded" | "failed" | "stopped";
  readonly error: ExecutionError | undefined;
}

export class RunStateMachine {
  readonly #acts: RunActs;
  #stopReason: string | undefined;

  constructor(acts: RunActs) {
    this.#acts = acts;
  }

  /** No further step begins; those that run are told by their own allocations. */
  stop(reason: string): void {
    this.#stopReason ??= reason;
  }

  /** Does all steps. Never rejects for a failure of the work itself. */
  async run(routine: RoutineSpec, root: StepPlace): Promise<RunEnd> {
    const result = await this.#sequence(routine.steps, root);
    if (result.outcome === "skipped" || result.outcome === "stopped")
      return { outcome: "stopped", error: result.error };
    return { outcome: result.outcome, error: result.error };
  }

  async #sequence(steps: readonly StepSpec[], parent: StepPlace): Promise<StepResult> {
    let failed: StepResult | undefined;
    for (const step of steps) {
      const place = below(parent, step);
      const ended = this.#acts.ended(place);
      const isSkipped = failed !== undefined && !(isFinalStep(step) && (await this.#isForBudget(failed)));
      if (!ended && (isSkipped || this.#stopReason !== undefined)) {
        await this.#acts.finish(place, { outcome: "skipped" });
        continue;
      }
      const result = ended ?? (await this.#step(step, place));
      if (result.outcome === "succeeded" || result.outcome === "skipped") continue;
      if (step.onFailure === "fail") failed ??= result;
    }
    if (failed) return failed;
    return { outcome: this.#stopReason === undefined ? "succeeded" : "stopped" };
  }

  /** Whether it failed for lack of budget: as it says, or because the run has none. */
  async #isForBudget({ error }: StepResult): Promise<boolean> {
    return (error !== undefined && isOfBudget(error)) || (await this.#acts.isUsedUp());
  }

  async #step(step: StepSpec, place: StepPlace): Promise<StepResult> {
    if (step.kind === "parallel") return this.#parallel(step.parallel, place);
    const result = await this.#acts.doStep(place, step);
    await this.#acts.finish(place, result);
    return result;
  }

  async #parallel(branches: readonly BranchSpec[], place: StepPlace): Promise<StepResult> {
    const node = await this.#open(place, "step");
    if ("outcome" in node) return node;
    const ends = await Promise.all(branches.map((branch) => this.#branch(branch, node)));
    const failed = ends.find(({ result, branch }) => result.outcome !== "succeeded" && branch.onFailure === "fail");
    return this.#close(node, failed?.result ?? { outcome: "succeeded" });
  }

  async #branch(
    branch: BranchSpec,
    parent: StepPlace,
  ): Promise<{ readonly branch: BranchSpec; readonly result: StepResult }> {
    const place = below(parent, branch);
    const ended = this.#acts.ended(place);
    if (ended) return { branch, result: ended };
    const node = await this.#open(place, "branch");
    if ("outcome" in node) return { branch, result: node };
    const result = await this.#sequence(branch.steps, node);
    return { branch, result: await this.#close(node, result) };
  }

  /** Opens a node of the run's own; a refusal is the result of what should have been done in it. */
  async #open(place: StepPlace, kind: "branch" | "step"): Promise<StepPlace | StepResult> {
    const opened = await this.#acts.openNode(place, kind);
    if ("allocationId" in opened) return { ...place, allocationId: opened.allocationId };
    const result: StepResult = { outcome: "failed", error: opened.error };
    await this.#acts.finish(place, result);
    return result;
  }

  async #close(place: StepPlace, result: StepResult): Promise<StepResult> {
    await this.#acts.closeNode(place.allocationId, result.outcome);
    await this.#acts.finish(place, result);
    return result;
  }
}

function below(parent: StepPlace, step: StepSpec | BranchSpec): StepPlace {
  const { name, limits, share, access } = step;
  const place = { allocationId: "", parentId: parent.allocationId, name, path: `${parent.path}/${name}`, limits };
  const isPaid = isFinalStep(step) && (parent.limits.wrapUpReserve ?? 0) > 0;
  const competes = "strategy" in step && step.strategy !== undefined ? { strategy: step.strategy } : {};
  const held = { ...(share && { share }), ...(access && { access }), ...(isPaid && { wrapUp: true as const }) };
  return { ...place, ...held, ...competes };
}

function isFinalStep(step: StepSpec | BranchSpec): boolean {
  return "wrapUp" in step && step.wrapUp === true;
}

/** There was not enough budget for it, or it used all that it had. */
function isOfBudget({ type }: ExecutionError): boolean {
  return type === "RESOURCE_EXHAUSTED" || type === "RESOURCE_ALLOCATION_FAILED";
}
