/**
 * What a daemon writes down beside a grant so that a later life of it can go on: the work itself, in as many notes as it needs, and how
 * work ended, as JSON that people can read in the journal.
 */
import { create, fromBinary, fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { StepOrderSchema } from "#gen/bursar/v1/execution_service_pb.js";
import { RoutineOrderSchema } from "#gen/bursar/v1/process_service_pb.js";
import type { Routine as RoutineMessage } from "#gen/bursar/v1/routine_pb.js";
import { type RunFinished, RunFinishedSchema, type StepFinished, StepFinishedSchema } from "#gen/bursar/v1/run_pb.js";
import type { TraceContext } from "#ports";
import { LIMITS } from "#std";
import type { RoutineSpec, StepSpec } from "./document/swarm-document.ts";
import { traceFromProto, traceToProto } from "./messages/trace.ts";
import { FieldCheck } from "./parse/field-check.ts";
import { routineFromProto, routineToProto, stepFromProto, stepToProto } from "./routine.ts";
import { encodeHot } from "./wire/hot-message.ts";

export type Notes = ReadonlyMap<string, string>;
type NewNotes = readonly (readonly [string, string])[];

/** A step as its execution daemon has it. */
export interface StepAssignment {
  readonly step: StepSpec;
  readonly runId: string;
  readonly trace: TraceContext | undefined;
}

/** A run as its process daemon has it. */
export interface RunAssignment {
  readonly routine: RoutineSpec;
  readonly trace: TraceContext | undefined;
}

const partKey = (index: number) => `work:${index}`;

function inParts(bytes: Uint8Array): NewNotes {
  const text = Buffer.from(bytes).toString("base64");
  const parts: [string, string][] = [];
  for (let at = 0; at < text.length; at += LIMITS.noteCharsMax) {
    parts.push([partKey(parts.length), text.slice(at, at + LIMITS.noteCharsMax)]);
  }
  return parts;
}

/** Undefined when there are none, as in the journal of an earlier release. */
function wholeOf(notes: Notes): Uint8Array | undefined {
  let text = "";
  for (let index = 0; notes.has(partKey(index)); index += 1) text += notes.get(partKey(index));
  return text === "" ? undefined : new Uint8Array(Buffer.from(text, "base64"));
}

export function stepWorkNotes({ step, runId, trace }: StepAssignment): NewNotes {
  const carried = traceToProto(trace);
  const message = { step: stepToProto(step), runId, ...(carried ? { trace: carried } : {}) };
  return inParts(encodeHot(create(StepOrderSchema, message)));
}

/** Undefined when the notes do not say it, or say what cannot be understood. */
export function stepWorkOf(notes: Notes): StepAssignment | undefined {
  const bytes = wholeOf(notes);
  if (!bytes) return undefined;
  const message = readable(() => fromBinary(StepOrderSchema, bytes));
  if (!message?.step) return undefined;
  const check = new FieldCheck();
  const step = stepFromProto(check, message.step);
  return step && check.finish(step).ok
    ? { step, runId: message.runId, trace: traceFromProto(message.trace) }
    : undefined;
}

export function runWorkNotes({ routine, trace }: RunAssignment): NewNotes {
  const carried = traceToProto(trace);
  const message = { routine: routineToProto(routine), ...(carried ? { trace: carried } : {}) };
  return inParts(encodeHot(create(RoutineOrderSchema, message)));
}

/** Undefined when the notes do not say it, or say what cannot be understood. */
export function runWorkOf(notes: Notes): RunAssignment | undefined {
  const bytes = wholeOf(notes);
  if (!bytes) return undefined;
  const message = readable(() => fromBinary(RoutineOrderSchema, bytes));
  if (!message?.routine) return undefined;
  const check = new FieldCheck();
  const routine = routineFromProto(check, message.routine);
  return check.finish(routine).ok ? { routine, trace: traceFromProto(message.trace) } : undefined;
}

/** A routine as another daemon tells it; undefined when it cannot be understood. */
export function routineFromMessage(message: RoutineMessage): RoutineSpec | undefined {
  const check = new FieldCheck();
  const routine = routineFromProto(check, message);
  return check.finish(routine).ok ? routine : undefined;
}

/** How a step or branch ended, without what it wrote. */
export function stepEndNote({ output, ...end }: StepFinished): string {
  return toJsonString(StepFinishedSchema, end);
}

export function stepEndOf(note: string | undefined): StepFinished | undefined {
  if (note === undefined) return undefined;
  return readable(() => fromJsonString(StepFinishedSchema, note, { ignoreUnknownFields: true }));
}

/** How a run ended, without its tree. */
export function runEndNote({ run, routine, ...end }: RunFinished): string {
  return toJsonString(RunFinishedSchema, end);
}

export function runEndOf(note: string | undefined): RunFinished | undefined {
  if (note === undefined) return undefined;
  return readable(() => fromJsonString(RunFinishedSchema, note, { ignoreUnknownFields: true }));
}

/** What a newer or foreign hand has written reads as nothing: then the work counts as lost, which is always safe. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
