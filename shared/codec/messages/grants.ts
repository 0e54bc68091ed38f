/** Requests for budget and their answers, as they travel on StreamGrants. */
import { type Amounts, type InheritedPolicy, type Limits, NOTHING } from "#budget";
import {
  type GrantDecision,
  GrantOutcome,
  type GrantRequest,
  type GrantRevision,
} from "#gen/bursar/v1/budget_service_pb.js";
import type { GrantAnswer, GrantAsk, GrantTarget } from "#ports";
import { LIMITS } from "#std";
import { allocationKinds, priorities, strategies } from "../enum-names.ts";
import type { FieldCheck } from "../parse/field-check.ts";
import {
  conflictFromProto,
  conflictToProto,
  grantFromProto,
  grantToProto,
  inheritedFromProto,
  inheritedToProto,
  weightFromProto,
} from "./allocation.ts";
import {
  allOf,
  amountsFromProto,
  amountsOfLimits,
  amountsToProto,
  leftFromProto,
  leftToProto,
  limitsToProto,
  type Needs,
  requirementsFromProto,
  wantedLimitsFromProto,
} from "./amounts.ts";
import { accessFromProto, accessMessage } from "./named-access.ts";
import type { StatusCodec } from "./status-codec.ts";
import { traceFromProto, traceToProto } from "./trace.ts";

export function grantAskToProto(ask: GrantAsk): GrantRequest {
  const { target, strategy } = ask;
  const opens = target.type === "open";
  const trace = traceToProto(ask.trace);
  const message: GrantRequest = {
    $typeName: "bursar.v1.GrantRequest",
    requestId: ask.requestId,
    parentAllocationId: opens ? target.parentId : "",
    allocationId: opens ? "" : target.allocationId,
    name: opens ? target.name : "",
    kind: opens && target.kind !== undefined ? allocationKinds.numberOf[target.kind] : 0,
    limits: limitsToProto(opens ? target.limits : target.by),
    priority: priorities.numberOf[ask.priority],
    weight: ask.weight,
    waitMs: ask.waitMs,
    strategy: strategy === undefined ? 0 : strategies.numberOf[strategy],
    epoch: opens ? 0n : BigInt(target.epoch),
    // What else there is of it is granted in full or not at all.
    minAmount: amountsToProto({ ...NOTHING, credits: ask.min.credits, toolCalls: ask.min.toolCalls }),
    reservationId: ask.reservationId ?? "",
  };
  if (trace !== undefined) message.trace = trace;
  if (opens && target.access) message.access = accessMessage(target.access);
  return message;
}

export function grantAskFromProto(check: FieldCheck, message: GrantRequest): GrantAsk {
  const { limits, min } = needsOf(check, message);
  return {
    requestId: check.id("request_id", message.requestId),
    target: targetOf(check, message, limits),
    min,
    priority: check.choice("priority", message.priority, priorities, "NORMAL"),
    weight: weightFromProto(check, message.weight),
    waitMs: message.waitMs,
    strategy: check.optionalChoice("strategy", message.strategy, strategies),
    trace: traceFromProto(message.trace),
    ...(message.reservationId !== "" && { reservationId: check.id("reservation_id", message.reservationId) }),
  };
}

function needsOf(check: FieldCheck, message: GrantRequest): Needs {
  const { requirements, minAmount } = message;
  if (requirements === undefined) {
    const limits = wantedLimitsFromProto(check.inside("limits"), message.limits);
    if (message.limits === undefined) check.refuse("limits", "is missing; set limits or requirements");
    return { limits, min: minAmount === undefined ? allOf(limits) : minFromProto(check, minAmount, limits) };
  }
  if (message.limits !== undefined) check.refuse("requirements", "set either limits or requirements, not both");
  if (minAmount !== undefined) check.refuse("min_amount", "requirements have a least of their own; leave this out");
  return requirementsFromProto(check.inside("requirements"), requirements);
}

function minFromProto(
  check: FieldCheck,
  message: NonNullable<GrantRequest["minAmount"]>,
  { credits, toolCalls }: Limits,
): Amounts {
  const inside = check.inside("min_amount");
  const min = amountsFromProto(inside, message);
  if (credits !== undefined && min.credits > credits) inside.refuse("credits", `must not exceed the ${credits} wanted`);
  if (toolCalls !== undefined && min.toolCalls > toolCalls) {
    inside.refuse("tool_calls", `must not exceed the ${toolCalls} wanted`);
  }
  if (min.branches > 0) inside.refuse("concurrent_branches", "is granted in full or not at all; leave it at 0");
  if (min.memoryBytes > 0) inside.refuse("memory_bytes", "is granted in full or not at all; leave it at 0");
  return min;
}

function targetOf(check: FieldCheck, message: GrantRequest, limits: Limits): GrantTarget {
  const { parentAllocationId, allocationId } = message;
  if (allocationId === "") {
    if (message.epoch !== 0n) check.refuse("epoch", "belongs to allocation_id; a new allocation has none yet");
    return {
      type: "open",
      parentId: check.id("parent_allocation_id", parentAllocationId),
      name: check.name("name", message.name),
      kind: check.optionalChoice("kind", message.kind, allocationKinds),
      limits: withDeadline(check, message, limits),
      ...accessFromProto(check.inside("access"), message.access),
    };
  }
  if (parentAllocationId !== "") {
    check.refuse("parent_allocation_id", "set either this, for a new allocation, or allocation_id, for more of one");
  }
  refuseForRaise(check, message, limits);
  return {
    type: "raise",
    allocationId: check.id("allocation_id", allocationId),
    epoch: check.count("epoch", message.epoch),
    by: amountsOfLimits(limits),
  };
}

/** Both durations count from the grant; the shorter one holds. */
function withDeadline(check: FieldCheck, { deadlineLeftMs }: GrantRequest, limits: Limits): Limits {
  if (deadlineLeftMs === undefined) return limits;
  const leftMs = check.durationMs("deadline_left_ms", deadlineLeftMs);
  return { ...limits, durationMs: Math.min(leftMs, limits.durationMs ?? LIMITS.durationMsMax) };
}

/** What an open allocation has for good. */
function refuseForRaise(check: FieldCheck, message: GrantRequest, limits: Limits): void {
  const fixed = "cannot change for an open allocation; leave it out";
  if (message.name !== "") check.refuse("name", fixed);
  if (message.kind !== 0) check.refuse("kind", fixed);
  if (message.deadlineLeftMs !== undefined) check.refuse("deadline_left_ms", fixed);
  if (message.access !== undefined) check.refuse("access", fixed);
  const inside = check.inside("limits");
  if (limits.durationMs !== undefined) inside.refuse("max_duration_ms", fixed);
  if (limits.priorityBonus !== undefined) inside.refuse("priority_bonus", fixed);
  if (limits.emergencyReserve !== undefined) inside.refuse("emergency_reserve", fixed);
  if (limits.wrapUpReserve !== undefined) inside.refuse("wrap_up_reserve", fixed);
}

export interface CounterItem {
  readonly allocationId: string;
  readonly epoch: number;
  readonly grantedTotal: Amounts;
  readonly deadlineLeftMs?: number | undefined;
  readonly pausesOver?: readonly string[] | undefined;
  readonly inherited?: InheritedPolicy | undefined;
}

export function revisionToProto(item: CounterItem): GrantRevision {
  const { allocationId, epoch, grantedTotal, deadlineLeftMs, pausesOver = [] } = item;
  const message: GrantRevision = {
    $typeName: "bursar.v1.GrantRevision",
    allocationId,
    epoch: BigInt(epoch),
    grantedTotal: amountsToProto(grantedTotal),
    pausesOver: [...pausesOver],
  };
  if (deadlineLeftMs !== undefined) message.deadlineLeftMs = leftToProto(deadlineLeftMs);
  if (item.inherited) message.inherited = inheritedToProto(item.inherited);
  return message;
}

export function revisionFromProto(check: FieldCheck, message: GrantRevision): CounterItem {
  return {
    allocationId: check.id("allocation_id", message.allocationId),
    epoch: check.count("epoch", message.epoch),
    grantedTotal: amountsFromProto(check.inside("granted_total"), message.grantedTotal),
    ...leftFromProto(check, message.deadlineLeftMs),
    ...pausesOverFromProto(check, message.pausesOver),
    ...inheritedFromProto(check, message.inherited),
  };
}

/** Ids of preemptions; absent when there are none. */
export function pausesOverFromProto(
  check: FieldCheck,
  ids: readonly string[],
): { readonly pausesOver?: readonly string[] } {
  if (ids.length === 0) return {};
  const taken = check.list("pauses_over", ids, LIMITS.pausesToldMax);
  return { pausesOver: taken.map((id, index) => check.at("pauses_over", index).id("id", id)) };
}

export interface Decision {
  readonly requestId: string;
  readonly answer: GrantAnswer;
}

export function decisionToProto({ requestId, answer }: Decision, statuses: StatusCodec): GrantDecision {
  const preemptedAllocationIds = "preempted" in answer ? [...(answer.preempted ?? [])] : [];
  const decision = { $typeName: "bursar.v1.GrantDecision", requestId, preemptedAllocationIds } as const;
  switch (answer.type) {
    case "opened":
      return { ...decision, outcome: grantedOutcome(answer.partial), grant: grantToProto(answer.grant) };
    case "raised":
      return { ...decision, outcome: grantedOutcome(answer.partial), revision: revisionToProto(answer) };
    case "queued":
      return { ...decision, outcome: GrantOutcome.QUEUED, conflict: conflictToProto(answer.conflict) };
    case "denied":
      return { ...decision, outcome: GrantOutcome.DENIED, error: statuses.pack(answer.error) };
  }
}

function grantedOutcome(partial: boolean): GrantOutcome {
  return partial ? GrantOutcome.PARTIAL : GrantOutcome.FULL;
}

/** Undefined, and refused, when the message does not say what was decided. */
export function decisionFromProto(
  check: FieldCheck,
  message: GrantDecision,
  statuses: StatusCodec,
): Decision | undefined {
  const requestId = check.id("request_id", message.requestId);
  const answer = answerOf(check, message, statuses);
  return answer && { requestId, answer };
}

function preemptedIn(check: FieldCheck, message: GrantDecision): { readonly preempted?: readonly string[] } {
  const ids = check.list("preempted_allocation_ids", message.preemptedAllocationIds, LIMITS.victimsToldMax);
  if (ids.length === 0) return {};
  return { preempted: ids.map((id, index) => check.at("preempted_allocation_ids", index).id("", id)) };
}

function answerOf(check: FieldCheck, message: GrantDecision, statuses: StatusCodec): GrantAnswer | undefined {
  const { outcome, grant, revision, conflict, error } = message;
  const partial = outcome === GrantOutcome.PARTIAL;
  if (outcome === GrantOutcome.FULL || partial) {
    const gave = preemptedIn(check, message);
    if (grant) return { type: "opened", grant: grantFromProto(check.inside("grant"), grant), partial, ...gave };
    if (revision) return { type: "raised", ...revisionFromProto(check.inside("revision"), revision), partial, ...gave };
    check.refuse("grant", "is missing: set what was granted, in grant or revision");
  } else if (outcome === GrantOutcome.QUEUED && conflict) {
    return { type: "queued", conflict: conflictFromProto(check.inside("conflict"), conflict) };
  } else if (outcome === GrantOutcome.DENIED && error) {
    return { type: "denied", error: statuses.unpack(error) };
  } else {
    check.refuse("outcome", "must be FULL, PARTIAL, QUEUED with conflict, or DENIED with error");
  }
  return undefined;
}
