/** Requests between daemons, downwards: runs, steps and preemptions, as plain values, or every field of them that is wrong. */
import type { Amounts, PreemptionMode, Priority } from "#budget";
import type { ExecuteStepRequest } from "#gen/bursar/v1/execution_service_pb.js";
import type { PreemptItem, PreemptRequest } from "#gen/bursar/v1/preemption_service_pb.js";
import type { ExecuteRoutineRequest } from "#gen/bursar/v1/process_service_pb.js";
import type { ResourceAmounts } from "#gen/bursar/v1/resources_pb.js";
import type { GrantHandover, TraceContext } from "#ports";
import { LIMITS } from "#std";
import type { RoutineSpec, StepSpec } from "./document/swarm-document.ts";
import { preemptionModes, priorities } from "./enum-names.ts";
import { grantFromProto } from "./messages/allocation.ts";
import { amountsFromProto } from "./messages/amounts.ts";
import { traceFromProto } from "./messages/trace.ts";
import { FieldCheck } from "./parse/field-check.ts";
import type { Parsed } from "./parse/parsed.ts";
import { routineFromProto, stepFromProto } from "./routine.ts";

/** Which daemon is meant, in which of its lives; an empty incarnation means any. */
export interface Addressee {
  readonly instance: string;
  readonly incarnation: string;
}

/** Follows work that is known where it is asked for, and begins none. */
export interface JoinSpec extends Addressee {
  readonly type: "join";
  readonly allocationId: string;
}

interface BeginSpec extends Addressee {
  readonly type: "begin";
  readonly grant: GrantHandover;
  /** The life of the daemon that grants; empty: any. */
  readonly grantorIncarnation: string;
  readonly trace: TraceContext | undefined;
}

export interface BeginRoutineSpec extends BeginSpec {
  readonly routine: RoutineSpec;
}

export interface BeginStepSpec extends BeginSpec {
  readonly step: StepSpec;
  readonly runId: string;
}

export function parseExecuteRoutine(message: ExecuteRoutineRequest): Parsed<BeginRoutineSpec | JoinSpec> {
  const check = new FieldCheck();
  if (!message.routine) return joinOf(check, message);
  return check.finishWith<BeginRoutineSpec, "grant">({
    ...beginOf(check, message),
    routine: routineFromProto(check.inside("routine"), message.routine),
  });
}

export function parseExecuteStep(message: ExecuteStepRequest): Parsed<BeginStepSpec | JoinSpec> {
  const check = new FieldCheck();
  if (!message.step) return joinOf(check, message);
  return check.finishWith<BeginStepSpec, "grant" | "step">({
    ...beginOf(check, message),
    step: stepFromProto(check.inside("step"), message.step),
    runId: check.fileName("run_id", message.runId),
  });
}

type Handover = ExecuteRoutineRequest | ExecuteStepRequest;

function beginOf(check: FieldCheck, message: Handover) {
  return {
    ...addresseeOf(check, message),
    type: "begin",
    grant: check.present("grant", message.grant, grantFromProto),
    grantorIncarnation: check.optionalId("grantor_incarnation", message.grantorIncarnation) ?? "",
    trace: traceFromProto(message.trace),
  } as const;
}

function joinOf(check: FieldCheck, message: Handover): Parsed<JoinSpec> {
  const addressee = addresseeOf(check, message);
  const allocationId = check.present("grant", message.grant, (inside, grant) =>
    inside.id("allocation_id", grant.allocationId),
  );
  return check.finishWith<JoinSpec, "allocationId">({ ...addressee, type: "join", allocationId });
}

export interface PreemptItemSpec {
  readonly preemptionId: string;
  readonly allocationId: string;
  readonly epoch: number;
  /** Absent: all that can be had. */
  readonly amounts: Amounts | undefined;
  readonly mode: PreemptionMode;
  readonly graceMs: number;
  readonly reason: string;
  readonly claimantPriority: Priority;
  readonly trace: TraceContext | undefined;
}

export interface PreemptSpec extends Addressee {
  readonly items: readonly PreemptItemSpec[];
  /** How long to stream progress at most; 0: answer at once. */
  readonly waitMs: number;
}

export function parsePreempt(message: PreemptRequest): Parsed<PreemptSpec> {
  const check = new FieldCheck();
  if (message.items.length === 0) check.refuse("items", "is empty; at least one is needed");
  const items = check.list("items", message.items, LIMITS.streamItemsMax);
  const spec: PreemptSpec = {
    ...addresseeOf(check, message),
    items: items.map((item, index) => preemptItemFromProto(check.at("items", index), item)),
    waitMs: check.whole("wait_ms", message.waitMs, { max: LIMITS.preemptWaitMsMax }),
  };
  return check.finish(spec);
}

function preemptItemFromProto(check: FieldCheck, message: PreemptItem): PreemptItemSpec {
  const { amounts } = message;
  return {
    preemptionId: check.id("preemption_id", message.preemptionId),
    allocationId: check.id("allocation_id", message.allocationId),
    epoch: check.count("epoch", message.epoch),
    amounts: amounts && amountsFromProto(check.inside("amounts"), amounts),
    mode: check.choice("mode", message.mode, preemptionModes, "SHRINK"),
    graceMs: message.graceMs,
    reason: check.text("reason", message.reason, LIMITS.reasonCharsMax),
    claimantPriority: check.choice("claimant_priority", message.claimantPriority, priorities, "NORMAL"),
    trace: traceFromProto(message.trace),
  };
}

/** Amounts that stand alone in an answer, under the path of their field. */
export function parseAmounts(message: ResourceAmounts | undefined, field: string): Parsed<Amounts> {
  const check = new FieldCheck(field);
  return check.finish(amountsFromProto(check, message));
}

function addresseeOf(check: FieldCheck, { instance, incarnation }: Addressee): Addressee {
  return {
    instance: check.id("instance", instance),
    incarnation: check.optionalId("incarnation", incarnation) ?? "",
  };
}
