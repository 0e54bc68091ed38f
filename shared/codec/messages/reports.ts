/** Usage reports and their acknowledgements, and returns of surplus. */
import type { Amounts } from "#budget";
import type { ReturnSurplus, UsageAcknowledgement, UsageReport } from "#gen/bursar/v1/budget_service_pb.js";
import type { UsageAck, UsageItem } from "#ports";
import { allocationStates, directives } from "../enum-names.ts";
import type { FieldCheck } from "../parse/field-check.ts";
import { leaseFromProto, leaseToProto } from "./allocation.ts";
import { amountsFromProto, amountsToProto } from "./amounts.ts";
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
  };
  if (lease !== undefined) message.lease = leaseToProto(lease);
  if (error !== undefined) message.error = statuses.pack(error);
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
