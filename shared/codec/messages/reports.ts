/** Usage reports and their acknowledgements, and returns of surplus. */
import { type Amounts, CONSUMABLES, type StopTold } from "#budget";
import type { LowBudget as LowBudgetMessage } from "#gen/bursar/v1/allocation_pb.js";
import type { ReturnSurplus, UsageAcknowledgement, UsageReport } from "#gen/bursar/v1/budget_service_pb.js";
import type { LowBudget, UsageAck, UsageItem } from "#ports";
import { LIMITS } from "#std";
import { allocationStates, directives } from "../enum-names.ts";
import type { FieldCheck } from "../parse/field-check.ts";
import { leaseFromProto, leaseToProto } from "./allocation.ts";
import { amountsFromProto, amountsToProto, RESOURCE_FIELDS } from "./amounts.ts";
import type { StatusCodec } from "./status-codec.ts";
import { traceFromProto, traceToProto } from "./trace.ts";
import { usageFromProto, usageToProto } from "./usage.ts";

export function usageItemToProto(report: UsageItem): UsageReport {
  const trace = traceToProto(report.trace);
  const message: UsageReport = {
    $typeName: "bursar.v1.UsageReport",
    allocationId: report.allocationId,
    epoch: BigInt(report.epoch),
    sequence: BigInt(report.sequence),
    usage: usageToProto(report.usage),
    state: allocationStates.numberOf[report.state],
    final: report.final,
    returnedTotal: amountsToProto(report.returnedTotal),
  };
  if (trace !== undefined) message.trace = trace;
  return message;
}

export function usageItemFromProto(check: FieldCheck, message: UsageReport): UsageItem {
  return {
    allocationId: check.id("allocation_id", message.allocationId),
    epoch: check.count("epoch", message.epoch),
    sequence: check.count("sequence", message.sequence),
    usage: usageFromProto(check.inside("usage"), message.usage),
    state: check.choice("state", message.state, allocationStates),
    final: message.final,
    returnedTotal: amountsFromProto(check.inside("returned_total"), message.returnedTotal),
    trace: traceFromProto(message.trace),
  };
}

export function ackToProto(ack: UsageAck, statuses: StatusCodec): UsageAcknowledgement {
  const { lease, directive, error } = ack;
  const message: UsageAcknowledgement = {
    $typeName: "bursar.v1.UsageAcknowledgement",
    allocationId: ack.allocationId,
    sequence: BigInt(ack.sequence),
    directive: directive === undefined ? 0 : directives.numberOf[directive],
    reason: ack.reason,
    final: ack.final,
    preemptionId: ack.stop?.preemptionId ?? "",
    graceMs: ack.stop?.graceMs ?? 0,
  };
  if (lease !== undefined) message.lease = leaseToProto(lease);
  if (error !== undefined) message.error = statuses.pack(error);
  if (ack.lowBudget !== undefined) message.lowBudget = lowBudgetToProto(ack.lowBudget);
  return message;
}

export function ackFromProto(check: FieldCheck, message: UsageAcknowledgement, statuses: StatusCodec): UsageAck {
  const { lease, error } = message;
  return {
    allocationId: check.id("allocation_id", message.allocationId),
    sequence: check.count("sequence", message.sequence),
    lease: lease && leaseFromProto(check.inside("lease"), lease),
    directive: check.optionalChoice("directive", message.directive, directives),
    reason: message.reason,
    final: message.final,
    error: error && statuses.unpack(error),
    ...(message.preemptionId !== "" && { stop: stopFromProto(check, message) }),
    ...(message.lowBudget && { lowBudget: lowBudgetFromProto(check.inside("low_budget"), message.lowBudget) }),
  };
}

function stopFromProto(check: FieldCheck, { preemptionId, graceMs }: UsageAcknowledgement): StopTold {
  return {
    preemptionId: check.id("preemption_id", preemptionId),
    graceMs: check.whole("grace_ms", graceMs, { max: LIMITS.graceMsMax }),
  };
}

const CONSUMABLE_OF = new Map(CONSUMABLES.map((resource) => [RESOURCE_FIELDS[resource], resource] as const));

export function lowBudgetToProto({ allocationId, path, resource, percent, ...amounts }: LowBudget): LowBudgetMessage {
  const { available, limit } = amounts;
  const shown = { available: BigInt(available), limit: BigInt(limit) };
  return {
    $typeName: "bursar.v1.LowBudget",
    allocationId,
    path,
    resource: RESOURCE_FIELDS[resource],
    percent,
    ...shown,
  };
}

function lowBudgetFromProto(check: FieldCheck, message: LowBudgetMessage): LowBudget {
  const resource = [...CONSUMABLE_OF].find(([field]) => field === message.resource)?.[1];
  if (resource === undefined) check.refuse("resource", `must be one of ${[...CONSUMABLE_OF.keys()].join(", ")}`);
  return {
    allocationId: check.id("allocation_id", message.allocationId),
    path: check.idOrPath("path", message.path),
    resource: resource ?? "credits",
    percent: check.whole("percent", message.percent, { min: 1, max: 99 }),
    available: check.amount("available", message.available),
    limit: check.amount("limit", message.limit),
  };
}

export interface ReturnItem {
  readonly allocationId: string;
  readonly epoch: number;
  readonly returnedTotal: Amounts;
}

export function returnToProto({ allocationId, epoch, returnedTotal }: ReturnItem): ReturnSurplus {
  return {
    $typeName: "bursar.v1.ReturnSurplus",
    allocationId,
    epoch: BigInt(epoch),
    returnedTotal: amountsToProto(returnedTotal),
  };
}

export function returnFromProto(check: FieldCheck, message: ReturnSurplus): ReturnItem {
  return {
    allocationId: check.id("allocation_id", message.allocationId),
    epoch: check.count("epoch", message.epoch),
    returnedTotal: amountsFromProto(check.inside("returned_total"), message.returnedTotal),
  };
}
