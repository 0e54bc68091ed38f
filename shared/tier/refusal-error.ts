/** The engine's refusals as the errors that cross wires. The same refusal reads the same everywhere. */
import type { Conflict, Outcome, Refusal } from "#budget";
import { executionError, FaultError, RefusalError, type Tier } from "#errors";
import { LIMITS, unreachable } from "#std";

/** Who refuses, for the error; `onOwn` says that the allocation's own budget is short, not a parent's. */
export interface RefusalContext {
  readonly tier: Tier;
  readonly errorId: string;
  readonly onOwn: boolean;
}

/** The error of an outcome that is not what was asked for: its refusal, or a fault where it is of another type altogether. */
export function errorOfOutcome(outcome: Outcome, context: RefusalContext): FaultError | RefusalError {
  if (outcome.type === "refused") return errorOfRefusal(outcome.refusal, context);
  const { tier, errorId: id } = context;
  const message = `an answer of type ${outcome.type} does not fit the request`;
  return new FaultError(executionError({ id, type: "FATAL_ERROR", reach: "one", message, tier }));
}

export function errorOfRefusal(refusal: Refusal, context: RefusalContext): FaultError | RefusalError {
  switch (refusal.code) {
    case "invalid": {
      const fieldViolations = refusal.violations.map(({ field, message }) => ({ field, description: message }));
      const message = fieldViolations.map(({ field, description }) => `${field}: ${description}`).join("; ");
      return new RefusalError({ reason: "INVALID_ARGUMENT", message, fieldViolations });
    }
    case "not_found":
      return new RefusalError({
        reason: "NOT_FOUND",
        message: `no ${refusal.subject} with id ${refusal.id} is known here`,
      });
    case "stale_epoch": {
      const { currentEpoch } = refusal;
      const message = `the epoch is not current; ${refusal.allocationId} is held under epoch ${currentEpoch}`;
      return new RefusalError({ reason: "STALE_EPOCH", message, currentEpoch });
    }
    case "not_permitted":
      return new RefusalError({ reason: "NOT_PERMITTED", message: refusal.message });
    case "request_reused": {
      const message = `${refusal.requestId} was used before with other content; use a new id for a new request`;
      return new RefusalError({ reason: "REQUEST_ID_REUSED", message });
    }
    case "closing":
      return new RefusalError({
        reason: "STATE_FORBIDS",
        message: `${refusal.path} takes no new work: ${refusal.reason}`,
      });
    case "lease_ended": {
      const { retryAfterMs } = LIMITS;
      const message = `the lease of ${refusal.path} has ended; nothing is spent until the tier above answers: try again in ${retryAfterMs} ms`;
      return new RefusalError({ reason: "LEASE_ENDED", message, retryAfterMs });
    }
    case "not_in_doubt":
      return new RefusalError({ reason: "STATE_FORBIDS", message: refusal.message });
    case "unsupported":
      return new RefusalError({ reason: "UNIMPLEMENTED", message: refusal.message });
    case "too_many": {
      const { message, retryAfterMs } = refusal;
      return new RefusalError({ reason: "QUEUE_FULL", message, retryAfterMs });
    }
    case "conflict":
      return errorOfConflict(refusal.conflict, context);
    default:
      return unreachable(refusal);
  }
}

function errorOfConflict(conflict: Conflict, { tier, errorId, onOwn }: RefusalContext): FaultError {
  const { ancestorId, ancestorPath, holders, retryAfterMs, never } = conflict;
  return new FaultError(
    executionError({
      id: errorId,
      type: onOwn ? "RESOURCE_EXHAUSTED" : "RESOURCE_ALLOCATION_FAILED",
      reach: "one",
      message: wordsOf(conflict),
      tier,
      allocationPath: ancestorPath,
      ancestor: ancestorId,
      resource: WIRE_NAME[conflict.resource],
      holders: holders.map(({ id }) => id),
      ...(never || retryAfterMs === 0 ? {} : { retryAfterMs }),
    }),
  );
}

const WIRE_NAME = {
  credits: "credits",
  toolCalls: "tool_calls",
  branches: "concurrent_branches",
  memoryBytes: "memory_bytes",
  duration: "duration",
} as const;

/** A conflict in one sentence: what was wanted, what was free, where, who holds it, and when to try again. */
export function wordsOf(conflict: Conflict): string {
  const { ancestorPath, available, wanted, debt, holders, never, retryAfterMs } = conflict;
  const resource = WIRE_NAME[conflict.resource];
  if (conflict.resource === "duration") return `INSUFFICIENT_TIME: the deadline of ${ancestorPath} has passed`;
  const owed = debt > 0 ? ` and owes ${debt}, which must be paid first` : "";
  const held =
    holders.length === 0 ? "" : `; held by ${holders.map(({ path, amount }) => `${path} (${amount})`).join(", ")}`;
  const when = never
    ? "; it can never fit, ask for less or have the limit raised"
    : `; try again in ${retryAfterMs} ms`;
  return `${conflict.conflict}: ${ancestorPath} has ${available} ${resource} free of the ${wanted} wanted${owed}${held}${when}`;
}
