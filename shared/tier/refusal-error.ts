/** The engine's refusals as the errors that cross wires. The same refusal reads the same everywhere. */
import {
  type Conflict,
  conflictWords,
  type Outcome,
  type Refusal,
  refusalWords,
  resourceName,
  shadowWords,
} from "#budget";
import { executionError, FaultError, RefusalError, type Tier } from "#errors";
import { LIMITS, unreachable } from "#std";

/** Who refuses, for the error; `onOwn` says that the allocation's own budget is short, not a parent's. */
export interface RefusalContext {
  readonly tier: Tier;
  readonly errorId: string;
  readonly onOwn: boolean;
  /** What a policy that is tried would have made of the request, in words; absent: none is. Goes with the details of a conflict. */
  readonly shadow?: string;
}

/** The error of an outcome that is not what was asked for: its refusal, or a fault where it is of another type altogether. */
export function errorOfOutcome(outcome: Outcome, context: RefusalContext): FaultError | RefusalError {
  if (outcome.type === "refused") {
    const { refusal, shadow } = outcome;
    return errorOfRefusal(refusal, shadow ? { ...context, shadow: shadowWords(shadow) } : context);
  }
  const { tier, errorId: id } = context;
  const message = `an answer of type ${outcome.type} does not fit the request`;
  return new FaultError(executionError({ id, type: "FATAL_ERROR", reach: "one", message, tier }));
}

export function errorOfRefusal(refusal: Refusal, context: RefusalContext): FaultError | RefusalError {
  const message = refusalWords(refusal);
  switch (refusal.code) {
    case "invalid": {
      const fieldViolations = refusal.violations.map(({ field, message: description }) => ({ field, description }));
      return new RefusalError({ reason: "INVALID_ARGUMENT", message, fieldViolations });
    }
    case "not_found":
      return new RefusalError({ reason: "NOT_FOUND", message });
    case "stale_epoch":
      return new RefusalError({ reason: "STALE_EPOCH", message, currentEpoch: refusal.currentEpoch });
    case "not_permitted":
      return new RefusalError({ reason: "NOT_PERMITTED", message });
    case "request_reused":
      return new RefusalError({ reason: "REQUEST_ID_REUSED", message });
    case "closing":
    case "withdrawn":
    case "not_in_doubt":
      return new RefusalError({ reason: "STATE_FORBIDS", message });
    case "lease_ended":
      return new RefusalError({ reason: "LEASE_ENDED", message, retryAfterMs: LIMITS.retryAfterMs });
    case "paused":
      return new RefusalError({ reason: "PAUSED", message, retryAfterMs: LIMITS.retryAfterMs });
    case "unsupported":
      return new RefusalError({ reason: "UNIMPLEMENTED", message });
    case "too_many":
      return new RefusalError({ reason: "QUEUE_FULL", message, retryAfterMs: refusal.retryAfterMs });
    case "conflict":
      return errorOfConflict(refusal.conflict, context);
    default:
      return unreachable(refusal);
  }
}

function errorOfConflict(conflict: Conflict, { tier, errorId, onOwn, shadow }: RefusalContext): FaultError {
  const { ancestorId, ancestorPath, holders, retryAfterMs, never } = conflict;
  return new FaultError(
    executionError({
      id: errorId,
      type: onOwn ? "RESOURCE_EXHAUSTED" : "RESOURCE_ALLOCATION_FAILED",
      conflict: conflict.conflict,
      reach: "one",
      message: conflictWords(conflict),
      tier,
      allocationPath: ancestorPath,
      ancestor: ancestorId,
      resource: resourceName(conflict.resource),
      holders: holders.map(({ id }) => id),
      ...(never || retryAfterMs === 0 ? {} : { retryAfterMs }),
      ...(shadow === undefined ? {} : { shadow }),
    }),
  );
}
