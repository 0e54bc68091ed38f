/** Requests between daemons, downwards: runs, steps and preemptions, as plain values, or every field of them that is wrong. */
import type { Amounts, PreemptionMode, Priority } from "#budget";
import type { ExecuteStepsRequest, StepOrder } from "#gen/bursar/v1/execution_service_pb.js";
import type { PreemptItem, PreemptRequest } from "#gen/bursar/v1/preemption_service_pb.js";
import type { ExecuteRoutinesRequest, RoutineOrder } from "#gen/bursar/v1/process_service_pb.js";
import type { ResourceAmounts } from "#gen/bursar/v1/resources_pb.js";
import type { WorkHello } from "#gen/bursar/v1/work_pb.js";
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

/** Who opens a stream of work, and at whom. */
export interface WorkHelloSpec extends Addressee {
  /** The life of the daemon that grants; empty: any. */
  readonly grantorIncarnation: string;
}

/** Follows work that is known where it is asked for, and begins none. */
export interface JoinSpec {
  readonly type: "join";
  readonly allocationId: string;
}

interface BeginSpec {
  readonly type: "begin";
  readonly grant: GrantHandover;
  readonly trace: TraceContext | undefined;
}

export interface BeginRoutineSpec extends BeginSpec {
  readonly routine: RoutineSpec;
}

export interface BeginStepSpec extends BeginSpec {
  readonly step: StepSpec;
  readonly runId: string;
}

export type RoutineOrderSpec = BeginRoutineSpec | JoinSpec;
export type StepOrderSpec = BeginStepSpec | JoinSpec;

/** One message of a stream of work. An order that is wrong is so alone. */
export interface WorkMessage<Order> {
  readonly hello: WorkHelloSpec | undefined;
  readonly orders: readonly { readonly number: number; readonly order: Parsed<Order> }[];
  readonly left: readonly number[];
}

export function parseExecuteRoutines(message: ExecuteRoutinesRequest): Parsed<WorkMessage<RoutineOrderSpec>> {
  return workMessageOf(message, (check, order): Parsed<RoutineOrderSpec> => {
    if (!order.routine) return joinOf(check, order);
    return check.finishWith<BeginRoutineSpec, "grant">({
      ...beginOf(check, order),
      routine: routineFromProto(check.inside("routine"), order.routine),
    });
  });
}

export function parseExecuteSteps(message: ExecuteStepsRequest): Parsed<WorkMessage<StepOrderSpec>> {
  return workMessageOf(message, (check, order): Parsed<StepOrderSpec> => {
    if (!order.step) return joinOf(check, order);
    return check.finishWith<BeginStepSpec, "grant" | "step">({
      ...beginOf(check, order),
      step: stepFromProto(check.inside("step"), order.step),
      runId: check.fileName("run_id", order.runId),
    });
  });
}

interface WorkRequest<Message> {
  readonly hello?: WorkHello | undefined;
  readonly orders: readonly Message[];
  readonly left: readonly number[];
}

function workMessageOf<Message extends { readonly number: number }, Order>(
  { hello, orders, left }: WorkRequest<Message>,
  parse: (check: FieldCheck, message: Message) => Parsed<Order>,
): Parsed<WorkMessage<Order>> {
  const check = new FieldCheck();
  const items = check.list("orders", orders, LIMITS.streamItemsMax - Math.min(left.length, LIMITS.streamItemsMax));
  return check.finish({
    hello: hello && helloOf(check.inside("hello"), hello),
    orders: items.map((item, index) => ({
      number: item.number,
      order: parse(new FieldCheck(`orders[${index}]`), item),
    })),
    left: check.list("left", left, LIMITS.streamItemsMax),
  });
}

function helloOf(check: FieldCheck, message: WorkHello): WorkHelloSpec {
  const grantorIncarnation = check.optionalId("grantor_incarnation", message.grantorIncarnation) ?? "";
  return { ...addresseeOf(check, message), grantorIncarnation };
}

function beginOf(check: FieldCheck, message: RoutineOrder | StepOrder) {
  return {
    type: "begin",
    grant: check.present("grant", message.grant, grantFromProto),
    trace: traceFromProto(message.trace),
  } as const;
}

function joinOf(check: FieldCheck, message: RoutineOrder | StepOrder): Parsed<JoinSpec> {
  const allocationId = check.present("grant", message.grant, (inside, grant) =>
    inside.id("allocation_id", grant.allocationId),
  );
  return check.finishWith<JoinSpec, "allocationId">({ type: "join", allocationId });
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
  /** Absent: a person asks for it, or it is not known. */
  readonly claimantPriority?: Priority;
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
  const claimantPriority = check.optionalChoice("claimant_priority", message.claimantPriority, priorities);
  return {
    preemptionId: check.id("preemption_id", message.preemptionId),
    allocationId: check.id("allocation_id", message.allocationId),
    epoch: check.count("epoch", message.epoch),
    amounts: amounts && amountsFromProto(check.inside("amounts"), amounts),
    mode: check.choice("mode", message.mode, preemptionModes, "SHRINK"),
    graceMs: check.whole("grace_ms", message.graceMs, { max: LIMITS.graceMsMax }),
    reason: check.text("reason", message.reason, LIMITS.reasonCharsMax),
    ...(claimantPriority && { claimantPriority }),
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
