/**
 * Refusals of the protocol itself: the request was not taken, nothing changed. They are no execution errors: no run or
 * step failed. One table gives each reason its gRPC status, meaning and advice; docs/errors.md shows the same rows.
 */
import { boundedText, boundedViolations, type FieldViolation } from "./execution-error.ts";
import { GRPC_STATUS, type GrpcStatusName } from "./grpc-status.ts";

export interface RefusalTableRow {
  readonly status: GrpcStatusName;
  readonly meaning: string;
  readonly advice: string;
}

const row = (status: GrpcStatusName, meaning: string, advice: string): RefusalTableRow =>
  Object.freeze({ status, meaning, advice });

const ROWS = {
  INVALID_ARGUMENT: row(
    "INVALID_ARGUMENT",
    "Fields of the request are missing or wrong.",
    "Correct every field named in the violations.",
  ),
  NOT_FOUND: row(
    "NOT_FOUND",
    "The allocation, swarm, run or hold is not known here.",
    "Check the id and the daemon that was asked.",
  ),
  STALE_EPOCH: row(
    "ABORTED",
    "The epoch is older than the lease's current one, which the error names.",
    "Stop spending under the old epoch; say hello again to learn what still lives.",
  ),
  NOT_PERMITTED: row(
    "PERMISSION_DENIED",
    "The token is missing or wrong, or the allocation belongs to another.",
    "Present the token that was given with the grant.",
  ),
  REQUEST_ID_REUSED: row(
    "ALREADY_EXISTS",
    "The same request_id was used with other content.",
    "Use a new request_id for a new request.",
  ),
  STATE_FORBIDS: row(
    "FAILED_PRECONDITION",
    "The allocation, swarm or run is in a state that does not allow this.",
    "Read its state; a closed one needs a new one.",
  ),
  UNIMPLEMENTED: row(
    "UNIMPLEMENTED",
    "The RPC is part of the contract and not served here.",
    "Ask the daemon that serves it, or a newer version.",
  ),
  DRAINING: row(
    "UNAVAILABLE",
    "The daemon is shutting down and takes no new work.",
    "Retry after the stated time, or at another daemon.",
  ),
  NOT_WELCOMED: row(
    "UNAVAILABLE",
    "The daemon that grants has not welcomed this one in the life it is in, so that this one takes no new grant of it.",
    "Retry after the stated time with the same grant.",
  ),
  LEASE_ENDED: row(
    "UNAVAILABLE",
    "The tier above has not renewed the lease of this allocation, so that nothing new is spent; what is in flight may be settled.",
    "Retry after the stated time with the same request_id: it goes on once the tier above answers.",
  ),
  PAUSED: row(
    "UNAVAILABLE",
    "The allocation, or one above it, is paused: nothing new is begun or reserved; what is in flight may be settled.",
    "Wait for the notice that it goes on, or retry after the stated time with the same request_id.",
  ),
  JOURNAL_BEHIND: row(
    "FAILED_PRECONDITION",
    "The daemon's journal is older than what it has told the tier above: a copy was put back.",
    "Put the latest journal back; or start the daemon on a new one, and write off what the old one held.",
  ),
  QUEUE_FULL: row(
    "RESOURCE_EXHAUSTED",
    "More requests wait than the daemon may hold.",
    "Retry after the stated time with the same request_id.",
  ),
  READER_TOO_SLOW: row(
    "RESOURCE_EXHAUSTED",
    "The stream's reader did not read, and more was waiting for it than may be held.",
    "Open the stream again and read it without pause.",
  ),
  MESSAGE_TOO_LARGE: row(
    "RESOURCE_EXHAUSTED",
    "A message is larger than the protocol allows.",
    "Split it: hot streams take many messages with fewer items.",
  ),
} as const satisfies Record<string, RefusalTableRow>;

export type RefusalReason = keyof typeof ROWS;

export const REFUSAL_REASONS: readonly RefusalReason[] = Object.freeze(Object.keys(ROWS) as RefusalReason[]);
export const REFUSAL_TABLE: Readonly<Record<RefusalReason, RefusalTableRow>> = Object.freeze(ROWS);

export function isRefusalReason(name: string): name is RefusalReason {
  return Object.hasOwn(ROWS, name);
}

export interface Refusal {
  readonly reason: RefusalReason;
  readonly message: string;
  /** With INVALID_ARGUMENT. */
  readonly fieldViolations: readonly FieldViolation[];
  /** With STALE_EPOCH: the epoch that is current. */
  readonly currentEpoch?: number;
  /** When the same request may succeed, in milliseconds from now. */
  readonly retryAfterMs?: number;
}

export interface RefusalFacts extends Omit<Refusal, "fieldViolations"> {
  readonly fieldViolations?: readonly FieldViolation[];
}

/** Makes the value, cut to its bounds. */
export function refusal(facts: RefusalFacts): Refusal {
  return Object.freeze({
    ...facts,
    message: boundedText(facts.message),
    fieldViolations: boundedViolations(facts.fieldViolations ?? []),
  });
}

/** The refusal of a request with wrong fields; its message names the first of them. */
export function invalidArgument(violations: readonly FieldViolation[]): Refusal {
  const [first] = violations;
  const rest = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
  const message = first === undefined ? "the request is invalid" : `${first.field}: ${first.description}${rest}`;
  return refusal({ reason: "INVALID_ARGUMENT", message, fieldViolations: violations });
}

/** The gRPC status number of a refusal. */
export function refusalStatus(reason: RefusalReason): number {
  return GRPC_STATUS[REFUSAL_TABLE[reason].status];
}

/** Carries a Refusal through `throw`. */
export class RefusalError extends Error {
  override name = "RefusalError";
  readonly refusal: Refusal;

  constructor(facts: RefusalFacts, options?: ErrorOptions) {
    super(facts.message, options);
    this.refusal = refusal(facts);
  }
}
