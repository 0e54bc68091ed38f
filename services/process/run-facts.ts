/** What a run is, whether it was just handed over or found in the journal. */
import { type Allocation, type BudgetState, type Limits, limitsOf, type Priority } from "#budget";
import { type RoutineSpec, routineToProto, runEndOf, runWorkOf } from "#codec";
import type { RunFinished } from "#gen/bursar/v1/run_pb.js";
import type { TraceContext } from "#ports";
import type { FoundNode, FoundNotes } from "./run-memory.ts";

/** Key of the note that keeps how a run ended. */
export const END_NOTE = "end";

export interface RunFacts {
  readonly runId: string;
  readonly name: string;
  readonly path: string;
  readonly limits: Limits;
  readonly priority: Priority;
  readonly trace: TraceContext | undefined;
}

/** A run that was open when the last life of this daemon ended. */
export interface FoundRun {
  readonly facts: RunFacts;
  /** Undefined when it was not written down, as by an earlier release: then the run cannot go on. */
  readonly routine: RoutineSpec | undefined;
  readonly found: FoundNotes;
  /** Why it takes no new work; undefined while it does. */
  readonly closingReason: string | undefined;
  /** It has ended and was not closed yet. */
  readonly end: RunFinished | undefined;
}

/** For the tier above: what a run was to do that a preemption has stopped. */
export function routineIfStopped({
  reclaims,
  endedReclaims,
  notes,
}: Allocation): Pick<Partial<RunFinished>, "routine"> {
  const isStopped = [...reclaims.values(), ...endedReclaims.values()].some(({ mode }) => mode === "STOP");
  const work = isStopped ? runWorkOf(notes) : undefined;
  return work ? { routine: routineToProto(work.routine) } : {};
}

/** The runs that are not closed yet. */
export function foundRuns(state: BudgetState): FoundRun[] {
  const open = [...state.roots].filter((node) => node.side === "received" && node.state !== "closed");
  return open.map(foundRun);
}

function foundRun(node: Allocation): FoundRun {
  const { id: runId, name, path, priority, notes, state, closingReason = state } = node;
  const { routine, trace } = runWorkOf(notes) ?? {};
  const nodes = new Map<string, FoundNode>();
  collect(node, nodes);
  return {
    facts: { runId, name, path, limits: limitsOf(node), priority, trace },
    routine,
    found: { notes: new Map(notes), nodes },
    closingReason: state === "open" ? undefined : closingReason,
    end: runEndOf(notes.get(END_NOTE)),
  };
}

/** Everything below, by allocation; of what is closed the latest is still remembered. */
function collect(parent: Allocation, nodes: Map<string, FoundNode>): void {
  for (const node of [...parent.closedChildren, ...parent.children]) {
    const { id: allocationId, path, peer: holder, epoch, state } = node;
    nodes.set(allocationId, { allocationId, path, holder, epoch, isClosed: state === "closed" });
    collect(node, nodes);
  }
}
