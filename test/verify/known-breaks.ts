/**
 * Changes of the contract that stubs generated from an older one do not survive, made on purpose. Before version 1.0 that is allowed; each
 * is named here in the words of `buf breaking`, with what takes its place, and goes once `main` is past it.
 */

export interface KnownBreak {
  readonly message: string;
  /** What takes the place of what is gone. */
  readonly instead: string;
}

const STEPS = "ExecuteSteps: one stream for all steps of an execution daemon";
const ROUTINES = "ExecuteRoutines: one stream for all runs of a process daemon";
const EVENTS = "field 2, events: what happened together is told together";

export const KNOWN_BREAKS: readonly KnownBreak[] = [
  {
    message:
      'Field "1" with name "weight" on message "ShareTerms" changed cardinality from "optional with implicit presence" to "optional with explicit presence".',
    instead: "the same field, which says whether it is set: on the wire nothing changes but that a 0 is refused",
  },
  {
    message: 'Previously present field "1" with name "event" on message "RunRoutineResponse" was deleted.',
    instead: EVENTS,
  },
  {
    message: 'Previously present field "1" with name "event" on message "WatchRunResponse" was deleted.',
    instead: EVENTS,
  },
  { message: 'Previously present message "ExecuteStepRequest" was deleted from file.', instead: STEPS },
  { message: 'Previously present message "ExecuteStepResponse" was deleted from file.', instead: STEPS },
  { message: 'Previously present RPC "ExecuteStep" on service "ExecutionService" was deleted.', instead: STEPS },
  { message: 'Previously present message "ExecuteRoutineRequest" was deleted from file.', instead: ROUTINES },
  { message: 'Previously present message "ExecuteRoutineResponse" was deleted from file.', instead: ROUTINES },
  { message: 'Previously present RPC "ExecuteRoutine" on service "ProcessService" was deleted.', instead: ROUTINES },
];

/** One finding of `buf breaking`. */
export interface Finding {
  readonly path: string;
  readonly message: string;
}

export interface Sorted {
  readonly known: readonly (Finding & KnownBreak)[];
  readonly unknown: readonly Finding[];
}

/** Tells the breaks that are recorded from those that nobody has decided. `output`: of `buf breaking --error-format json`. */
export function sortFindings(output: string, recorded: readonly KnownBreak[] = KNOWN_BREAKS): Sorted {
  const findings = output
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Finding);
  const known: (Finding & KnownBreak)[] = [];
  const unknown: Finding[] = [];
  for (const finding of findings) {
    const found = recorded.find(({ message }) => message === finding.message);
    if (found) known.push({ ...finding, ...found });
    else unknown.push(finding);
  }
  return { known, unknown };
}
