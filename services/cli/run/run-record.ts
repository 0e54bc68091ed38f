/** What a client has seen of a run: when it and its steps began, how each of them ended, and its tree at the end. */
import type { AllocationView } from "#gen/bursar/v1/allocation_pb.js";
import type { Routine, Step } from "#gen/bursar/v1/routine_pb.js";
import type { RunEvent, RunFinished } from "#gen/bursar/v1/run_pb.js";
import { outcomeName } from "../view/event-lines.ts";

/** How a branch or step ended. */
export interface NodeEnd {
  /** succeeded, failed, stopped, skipped. */
  readonly outcome: string;
  /** Why, when there was an error. */
  readonly reason: string;
}

export class RunRecord {
  beganAtMs = 0;
  runId = "";
  /** Path of the run; empty until it has started. */
  runPath = "";
  /** How the run ended; undefined while it goes on. */
  finished: RunFinished | undefined;
  /** By path. */
  readonly stepBeganAtMs = new Map<string, number>();
  /** How branches and steps ended, by path. */
  readonly ends = new Map<string, NodeEnd>();
  /** Paths below the run in the order of the routine: each before what is inside it. */
  readonly #order: ReadonlyMap<string, number>;
  #seen = false;

  constructor(routine: Routine) {
    this.#order = new Map(pathsOf(routine.steps, "").map((path, index) => [path, index]));
  }

  take({ wallTimeMs, event }: RunEvent): void {
    if (!this.#seen) this.beganAtMs = Number(wallTimeMs);
    this.#seen = true;
    if (event.case === "started") this.#takeRun(event.value.run);
    if (event.case === "stepStarted") this.stepBeganAtMs.set(event.value.path, Number(wallTimeMs));
    if (event.case === "stepFinished") {
      const { path, outcome, error } = event.value;
      this.ends.set(path, { outcome: outcomeName(outcome), reason: error?.message ?? "" });
    }
    if (event.case !== "finished") return;
    this.#takeRun(event.value.run);
    this.finished = event.value;
  }

  /** succeeded, failed or stopped; empty while it goes on. */
  get outcome(): string {
    return this.finished === undefined ? "" : outcomeName(this.finished.outcome);
  }

  /** Where a path stands in the routine; what the routine does not have comes last. */
  placeOf(path: string): number {
    return this.#order.get(path.slice(this.runPath.length)) ?? this.#order.size;
  }

  #takeRun(run: AllocationView | undefined): void {
    this.runId = run?.allocationId ?? this.runId;
    this.runPath = run?.path ?? this.runPath;
  }
}

function pathsOf(steps: readonly Step[], above: string): string[] {
  return steps.flatMap(({ name, work }) => {
    const path = `${above}/${name}`;
    const branches = work.case === "parallel" ? work.value.branches : [];
    return [
      path,
      ...branches.flatMap((branch) => [`${path}/${branch.name}`, ...pathsOf(branch.steps, `${path}/${branch.name}`)]),
    ];
  });
}
