/** ExecutionError of shared/errors to `bursar.v1.ExecutionError` and back, for status details and for answers in streams. */
import { create } from "@bufbuild/protobuf";
import { type Any, anyIs, anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import {
  categoryOf,
  type ExecutionError,
  type ExecutionErrorType,
  isExecutionErrorType,
  SEVERITIES,
  type Severity,
  TIERS,
} from "#errors";
import { ConflictType } from "#gen/bursar/v1/allocation_pb.js";
import {
  ExecutionErrorCategory as CategoryEnum,
  type ExecutionError as ExecutionErrorMessage,
  ExecutionErrorSchema,
  ExecutionErrorSeverity as SeverityEnum,
  ExecutionErrorType as TypeEnum,
} from "#gen/bursar/v1/errors_pb.js";

/** The message of an error. */
export function toExecutionErrorMessage(error: ExecutionError): ExecutionErrorMessage {
  return create(ExecutionErrorSchema, {
    id: error.id,
    type: TypeEnum[error.type],
    severity: SeverityEnum[error.severity],
    category: CategoryEnum[error.category],
    message: error.message,
    tier: error.tier ?? "",
    allocationPath: error.allocationPath,
    ancestorId: error.ancestor ?? "",
    resource: error.resource ?? "",
    holderIds: [...error.holders],
    // On the wire 0 means "nothing is known", so what is due at once is due in a millisecond.
    retryAfterMs: error.retryAfterMs === undefined ? 0 : Math.max(1, Math.ceil(error.retryAfterMs)),
    cause: error.cause ?? "",
    traceId: error.traceId ?? "",
    fieldViolations: error.fieldViolations.map(({ field, description }) => ({ field, description })),
    shadow: error.shadow ?? "",
    conflict: conflictNumber(error.conflict),
  });
}

/** The error in a message. What a newer peer names and this version does not know reads as a failure to communicate. */
export function fromExecutionErrorMessage(message: ExecutionErrorMessage): ExecutionError {
  const type = typeOf(message.type);
  const tier = TIERS.find((name) => name === message.tier);
  return {
    id: message.id,
    type,
    severity: severityOf(message.severity),
    category: categoryOf(type),
    message: message.message,
    ...(tier === undefined ? {} : { tier }),
    allocationPath: message.allocationPath,
    ...(message.ancestorId === "" ? {} : { ancestor: message.ancestorId }),
    ...(message.resource === "" ? {} : { resource: message.resource }),
    holders: message.holderIds,
    ...(message.retryAfterMs === 0 ? {} : { retryAfterMs: message.retryAfterMs }),
    ...(message.cause === "" ? {} : { cause: message.cause }),
    ...(message.traceId === "" ? {} : { traceId: message.traceId }),
    fieldViolations: message.fieldViolations.map(({ field, description }) => ({ field, description })),
    ...(message.shadow === "" ? {} : { shadow: message.shadow }),
    ...conflictIn(message),
  };
}

function conflictNumber(name: string | undefined): ConflictType {
  const number = name === undefined ? undefined : ConflictType[name as keyof typeof ConflictType];
  return number ?? ConflictType.UNSPECIFIED;
}

/** One that a newer peer knows is none here. */
function conflictIn({ conflict }: ExecutionErrorMessage): { readonly conflict?: string } {
  const name = conflict === ConflictType.UNSPECIFIED ? undefined : ConflictType[conflict];
  return name === undefined ? {} : { conflict: name };
}

/** The error as a detail of a status. */
export function packExecutionError(error: ExecutionError): Any {
  return anyPack(ExecutionErrorSchema, toExecutionErrorMessage(error));
}

/** The error among the details of a status; undefined when there is none that can be read. */
export function unpackExecutionError(details: readonly Any[]): ExecutionError | undefined {
  const detail = details.find((candidate) => anyIs(candidate, ExecutionErrorSchema));
  try {
    const message = detail && anyUnpack(detail, ExecutionErrorSchema);
    return message && fromExecutionErrorMessage(message);
  } catch {
    // A broken detail adds nothing to the status it came with.
    return undefined;
  }
}

function typeOf(value: TypeEnum): ExecutionErrorType {
  const name = TypeEnum[value] ?? "";
  return isExecutionErrorType(name) ? name : "COMMUNICATION_FAILURE";
}

function severityOf(value: SeverityEnum): Severity {
  return SEVERITIES.find((severity) => SeverityEnum[severity] === value) ?? "ERROR";
}
