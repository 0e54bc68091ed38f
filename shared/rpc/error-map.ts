/**
 * The one map between errors and the wire: FaultError and RefusalError to a gRPC status with the standard rich details, and
 * back. Anything else is a fault of the program: INTERNAL, without a word of what it was.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Any, anyIs, anyPack, anyUnpack, durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import {
  type ExecutionError,
  FaultError,
  type FieldViolation,
  GRPC_STATUS,
  grpcStatusName,
  grpcStatusOf,
  isRefusalReason,
  type Refusal,
  RefusalError,
  type RefusalReason,
  refusalStatus,
} from "#errors";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  RetryInfoSchema,
} from "#gen/google/rpc/error_details_pb.js";
import { type Status, StatusSchema } from "#gen/google/rpc/status_pb.js";
import { LIMITS } from "#std";
import { packExecutionError, unpackExecutionError } from "./execution-error-message.ts";
import { TransportError } from "./transport-error.ts";

const DOMAIN = "bursar.dev";
const CURRENT_EPOCH = "current_epoch";
const INTERNAL_MESSAGE = "the daemon failed at this call; its log says how";

/** A call's end, as every transport can tell it. */
export interface WireStatus {
  /** The gRPC status number. */
  readonly code: number;
  readonly message: string;
  /** Messages of google.rpc and bursar.v1, packed. */
  readonly details: readonly Any[];
  /** The error was none of the contract: whoever answers must report it. */
  readonly unexpected: boolean;
}

/** The status of an error. Never throws. */
export function toWireStatus(error: unknown): WireStatus {
  if (error instanceof FaultError) return faultStatus(error.error);
  if (error instanceof RefusalError) return refusalWireStatus(error.refusal);
  return { code: GRPC_STATUS.INTERNAL, message: INTERNAL_MESSAGE, details: [], unexpected: true };
}

/** The status of an error as a message, for an answer in a batched stream. */
export function toStatusMessage(error: unknown): Status {
  const { code, message, details } = toWireStatus(error);
  return create(StatusSchema, { code, message, details: [...details] });
}

/** The error of a status that came as a message. */
export function fromStatusMessage({ code, message, details }: Status): ReceivedError {
  return fromDetails({ code, message, details });
}

/** The bytes of `grpc-status-details-bin`; undefined when the status has no details. */
export function encodeStatusDetails({ code, message, details }: WireStatus): Uint8Array | undefined {
  const [info] = details;
  if (info === undefined) return undefined;
  const bytes = toBinary(StatusSchema, create(StatusSchema, { code, message, details: [...details] }));
  if (bytes.byteLength <= LIMITS.errorDetailBytesMax) return bytes;
  // A peer drops a call whose trailers are too large: then the reason alone must do.
  return toBinary(StatusSchema, create(StatusSchema, { code, message, details: [info] }));
}

export interface ReceivedStatus {
  readonly code: number;
  readonly message: string;
  /** The bytes of `grpc-status-details-bin`, when the peer sent any. */
  readonly details?: Uint8Array;
}

export type ReceivedError = FaultError | RefusalError | TransportError;

/** The error of a status that is not OK. Details that cannot be read are ignored. */
export function fromWireStatus({ code, message, details }: ReceivedStatus): ReceivedError {
  return fromDetails({ code, message, details: details === undefined ? [] : readDetails(details) });
}

function fromDetails(received: Pick<WireStatus, "code" | "message" | "details">): ReceivedError {
  const { details } = received;
  const info = findDetail(details, ErrorInfoSchema);
  if (info?.domain === DOMAIN && isRefusalReason(info.reason)) {
    return new RefusalError(
      readRefusal({ reason: info.reason, message: received.message, metadata: info.metadata, details }),
    );
  }
  const error = unpackExecutionError(details);
  if (error !== undefined) return new FaultError(error);
  return new TransportError(grpcStatusName(received.code), received.message);
}

function faultStatus(error: ExecutionError): WireStatus {
  const { type, message, retryAfterMs } = error;
  const details = [errorInfo(type, {}), packExecutionError(error), ...commonDetails(error)];
  if (type === "QUOTA_EXCEEDED") details.push(quotaFailure(error));
  return { code: grpcStatusOf(type, retryAfterMs !== undefined), message, details, unexpected: false };
}

function refusalWireStatus(refusal: Refusal): WireStatus {
  const { reason, message, currentEpoch } = refusal;
  const metadata = currentEpoch === undefined ? {} : { [CURRENT_EPOCH]: String(currentEpoch) };
  const details = [errorInfo(reason, metadata), ...commonDetails(refusal)];
  return { code: refusalStatus(reason), message, details, unexpected: false };
}

function commonDetails({ fieldViolations, retryAfterMs }: ExecutionError | Refusal): Any[] {
  const details = violationDetails(fieldViolations);
  if (retryAfterMs !== undefined) details.push(retryInfo(retryAfterMs));
  return details;
}

function errorInfo(reason: string, metadata: Record<string, string>): Any {
  return anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason, domain: DOMAIN, metadata }));
}

function retryInfo(retryAfterMs: number): Any {
  return anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: durationFromMs(retryAfterMs) }));
}

function quotaFailure({ resource = "", message }: ExecutionError): Any {
  const violations = [{ subject: resource, description: message }];
  return anyPack(QuotaFailureSchema, create(QuotaFailureSchema, { violations }));
}

function violationDetails(violations: readonly FieldViolation[]): Any[] {
  if (violations.length === 0) return [];
  const fieldViolations = violations.map(({ field, description }) => ({ field, description }));
  return [anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations }))];
}

function readDetails(bytes: Uint8Array): readonly Any[] {
  try {
    return fromBinary(StatusSchema, bytes).details;
  } catch {
    // The status itself has arrived; what a broken peer wrote beside it adds nothing.
    return [];
  }
}

type DetailSchema = typeof ErrorInfoSchema | typeof BadRequestSchema | typeof RetryInfoSchema;

function findDetail<S extends DetailSchema>(details: readonly Any[], schema: S) {
  const found = details.find((detail) => anyIs(detail, schema));
  try {
    return found === undefined ? undefined : anyUnpack(found, schema);
  } catch {
    return undefined;
  }
}

function readViolations(details: readonly Any[]): readonly FieldViolation[] {
  const found = findDetail(details, BadRequestSchema)?.fieldViolations ?? [];
  return found.map(({ field, description }) => ({ field, description }));
}

interface RefusalDetails {
  readonly reason: RefusalReason;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly details: readonly Any[];
}

function readRefusal({ reason, message, metadata, details }: RefusalDetails): Refusal {
  const retryDelay = findDetail(details, RetryInfoSchema)?.retryDelay;
  const epoch = Number(metadata[CURRENT_EPOCH] ?? Number.NaN);
  return {
    reason,
    message,
    fieldViolations: readViolations(details),
    ...(Number.isSafeInteger(epoch) ? { currentEpoch: epoch } : {}),
    ...(retryDelay === undefined ? {} : { retryAfterMs: durationMs(retryDelay) }),
  };
}
