/** Failures that pass: the same request may succeed later. And how long to wait before it is made again. */
import { FaultError, GRPC_STATUS, grpcStatusOf, RefusalError, refusalStatus } from "#errors";
import type { IdSource } from "#ports";
import { TransportError } from "#rpc";
import { backoffMs, LIMITS } from "#std";

export type PassingError = TransportError | RefusalError | FaultError;

/**
 * Whether the same request may succeed later by itself. CANCELLED is what a daemon that ends says of its streams; who cancels a call itself knows.
 * What is short of budget or a name is an answer: who wants to wait for that says so.
 */
export function isPassing(error: unknown): error is PassingError {
  if (error instanceof TransportError) return error.status === "UNAVAILABLE" || error.status === "CANCELLED";
  if (error instanceof RefusalError) return refusalStatus(error.refusal.reason) === GRPC_STATUS.UNAVAILABLE;
  if (!(error instanceof FaultError)) return false;
  const { type, retryAfterMs } = error.error;
  if (type === "RESOURCE_ALLOCATION_FAILED") return false;
  return retryAfterMs !== undefined && grpcStatusOf(type, true) === GRPC_STATUS.UNAVAILABLE;
}

export interface RetryOptions {
  /** Attempts before this one since it last went well, from 0. */
  readonly attempt: number;
  readonly ids: Pick<IdSource, "fraction">;
}

/** The pause before the next attempt in milliseconds: what a daemon has told, else a growing one; LIMITS.clientRetryMaxMs or so at most. */
export function retryDelayMs(error: PassingError, { attempt, ids }: RetryOptions): number {
  const told = error instanceof FaultError ? error.error.retryAfterMs : undefined;
  if (told !== undefined) return Math.min(told, LIMITS.clientRetryMaxMs);
  const [baseMs, maxMs] = [LIMITS.clientRetryFirstMs, LIMITS.clientRetryMaxMs];
  return baseMs + backoffMs({ attempt, baseMs, maxMs, random: ids.fraction() });
}
