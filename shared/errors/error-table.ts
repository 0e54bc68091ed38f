/**
 * The one error table: every `ExecutionErrorType` with its category, recoverability, gRPC status, meaning and advice.
 * docs/errors.md shows the same rows; error-table.test.ts pins both to each other.
 */
import type { ErrorCategory, Recoverability } from "./category.ts";
import { GRPC_STATUS, type GrpcStatusName } from "./grpc-status.ts";

export interface ErrorTableRow {
  readonly category: ErrorCategory;
  readonly recoverability: Recoverability;
  readonly status: GrpcStatusName;
  /** The status when the error says when to retry, where that differs from `status`. */
  readonly statusWhenRetryable?: GrpcStatusName;
  readonly meaning: string;
  readonly advice: string;
}

const row = (
  [category, recoverability, status]: readonly [ErrorCategory, Recoverability, GrpcStatusName],
  meaning: string,
  advice: string,
): ErrorTableRow => Object.freeze({ category, recoverability, status, meaning, advice });

const ROWS = {
  RESOURCE_EXHAUSTED: row(
    ["RESOURCE", "PARTIAL", "RESOURCE_EXHAUSTED"],
    "A resource of this allocation (credits, time, memory, tool calls, branches) is depleted.",
    "Ask for less, wait until a holder gives budget back, or have the limit raised.",
  ),
  QUOTA_EXCEEDED: row(
    ["RESOURCE", "PARTIAL", "RESOURCE_EXHAUSTED"],
    "A rate limit or usage quota of a tool or service is hit.",
    "Wait for the stated retry time, then send the same request.",
  ),
  RESOURCE_ALLOCATION_FAILED: Object.freeze({
    category: "RESOURCE",
    recoverability: "PARTIAL",
    status: "FAILED_PRECONDITION",
    statusWhenRetryable: "UNAVAILABLE",
    meaning: "A parent could not secure what a child operation needs.",
    advice: "With a retry time: wait, then ask again. Without: it can never fit; ask for less or raise the limit.",
  }),
  TIMEOUT: row(
    ["TRANSIENT", "AUTOMATIC", "DEADLINE_EXCEEDED"],
    "A tool, model or peer did not answer in time.",
    "Retry with the same request_id while the deadline allows.",
  ),
  RATE_LIMITED: row(
    ["TRANSIENT", "AUTOMATIC", "UNAVAILABLE"],
    "A tool or model refused for the moment because of its request rate.",
    "Wait for the stated retry time, then retry.",
  ),
  NETWORK_ERROR: row(
    ["TRANSIENT", "AUTOMATIC", "UNAVAILABLE"],
    "The network failed between two parties.",
    "Retry with backoff.",
  ),
  DEPENDENCY_UNAVAILABLE: row(
    ["TRANSIENT", "AUTOMATIC", "UNAVAILABLE"],
    "A tool or service that the work needs is not reachable.",
    "Retry with backoff; check that the dependency runs.",
  ),
  MODEL_UNAVAILABLE: row(
    ["TRANSIENT", "AUTOMATIC", "UNAVAILABLE"],
    "The model does not serve requests at present.",
    "Retry with backoff, or declare a fallback model.",
  ),
  TOOL_EXECUTION_FAILED: row(
    ["LOGIC", "PARTIAL", "ABORTED"],
    "A tool or program ran and failed.",
    "Read the cause; change the input or the tool, or declare a fallback strategy.",
  ),
  OUTPUT_VALIDATION_FAILED: row(
    ["LOGIC", "PARTIAL", "ABORTED"],
    "The work produced an output that does not fit its declaration.",
    "Correct the step or the declaration of its output.",
  ),
  VALIDATION_FAILED: row(
    ["CONFIGURATION", "NONE", "INVALID_ARGUMENT"],
    "The description of the work is wrong.",
    "Correct the fields named in the violations.",
  ),
  ROUTINE_PARSING_FAILED: row(
    ["CONFIGURATION", "NONE", "INVALID_ARGUMENT"],
    "The routine could not be read.",
    "Correct the routine at the place named in the message.",
  ),
  PERMISSION_DENIED: row(
    ["SECURITY", "NONE", "PERMISSION_DENIED"],
    "The caller is known and may not do this.",
    "Use the token of the allocation, or ask its owner.",
  ),
  AUTHENTICATION_FAILED: row(
    ["SECURITY", "NONE", "UNAUTHENTICATED"],
    "The caller could not be identified.",
    "Present a valid identity.",
  ),
  SECURITY_VIOLATION: row(
    ["SECURITY", "NONE", "PERMISSION_DENIED"],
    "The work tried something that its bounds forbid.",
    "Look at the step and its origin before anything runs again.",
  ),
  STATE_CORRUPTION: row(
    ["UNKNOWN", "NONE", "INTERNAL"],
    "Stored state contradicts itself.",
    "Stop the daemon, keep its journal, and compare it with the record named in the message.",
  ),
  COMMUNICATION_FAILURE: row(
    ["TRANSIENT", "AUTOMATIC", "UNAVAILABLE"],
    "Tiers cannot reach each other.",
    "Check that the daemons run; they reconnect by themselves.",
  ),
  CIRCUIT_BREAKER_OPEN: row(
    ["TRANSIENT", "AUTOMATIC", "UNAVAILABLE"],
    "Calls to a failing dependency are held back for now.",
    "Wait for the stated retry time, or declare a fallback.",
  ),
  FATAL_ERROR: row(
    ["UNKNOWN", "NONE", "INTERNAL"],
    "The system no longer works.",
    "Read the daemon's log; a person has to act.",
  ),
} as const satisfies Record<string, ErrorTableRow>;

export type ExecutionErrorType = keyof typeof ROWS;

/** Every type, in the order of the contract. */
export const EXECUTION_ERROR_TYPES: readonly ExecutionErrorType[] = Object.freeze(
  Object.keys(ROWS) as ExecutionErrorType[],
);

export const ERROR_TABLE: Readonly<Record<ExecutionErrorType, ErrorTableRow>> = Object.freeze(ROWS);

/** Whether `name` is one of the types; for what arrives from outside. */
export function isExecutionErrorType(name: string): name is ExecutionErrorType {
  return Object.hasOwn(ROWS, name);
}

export function categoryOf(type: ExecutionErrorType): ErrorCategory {
  return ERROR_TABLE[type].category;
}

export function recoverabilityOf(type: ExecutionErrorType): Recoverability {
  return ERROR_TABLE[type].recoverability;
}

/** The gRPC status number of an error; `retryable` says that the error carries a retry time. */
export function grpcStatusOf(type: ExecutionErrorType, retryable: boolean): number {
  const found = ERROR_TABLE[type];
  return GRPC_STATUS[retryable ? (found.statusWhenRetryable ?? found.status) : found.status];
}
