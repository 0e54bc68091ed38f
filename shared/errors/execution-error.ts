/**
 * The error that crosses wires: what went wrong, who refused, who holds what is missing, and when to retry.
 * The same value is read by the gRPC error, the command line, the dashboard and the span event.
 */
import { LIMITS } from "#std";
import type { ErrorCategory } from "./category.ts";
import { categoryOf, type ExecutionErrorType } from "./error-table.ts";
import { type Severity, type SeverityFacts, severityOf } from "./severity.ts";

export const TIERS = Object.freeze(["coordination", "process", "execution"] as const);
export type Tier = (typeof TIERS)[number];

/** One field of a request that is wrong; `field` is its path in the message (`limits.max_credits`). */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

export interface ExecutionError {
  /** Names this occurrence; the same in every place where it is shown; empty when it was not recorded. */
  readonly id: string;
  readonly type: ExecutionErrorType;
  readonly severity: Severity;
  readonly category: ErrorCategory;
  readonly message: string;
  /** The tier that raised it; absent when a client did. */
  readonly tier?: Tier;
  /** Ids from the root to the allocation that asked, joined by `/`; empty when none is concerned. */
  readonly allocationPath: string;
  /** Id of the ancestor whose budget refused. */
  readonly ancestor?: string;
  /** Name of the resource that was missing. */
  readonly resource?: string;
  /** Ids of the allocations that hold it now, largest first; at most LIMITS.errorHoldersMax. */
  readonly holders: readonly string[];
  /** When the same request may succeed, in milliseconds from now; absent when nobody knows or never. */
  readonly retryAfterMs?: number;
  /** What lay beneath, in words. */
  readonly cause?: string;
  /** Trace id (32 hex digits) of the request. */
  readonly traceId?: string;
  readonly fieldViolations: readonly FieldViolation[];
  /** What a policy that is only tried would have made of the request, in words; absent: none is. */
  readonly shadow?: string;
  /** What sort of conflict it is, by its name in the contract, where something did not fit; absent for every other error. */
  readonly conflict?: string;
}

/** What the raiser knows; the rest follows from the table. */
export interface ExecutionErrorFacts
  extends Omit<ExecutionError, "severity" | "category" | "holders" | "fieldViolations" | "allocationPath">,
    Omit<SeverityFacts, "type"> {
  readonly allocationPath?: string;
  readonly holders?: readonly string[];
  readonly fieldViolations?: readonly FieldViolation[];
}

/** Makes the value: severity and category from the rules, texts and lists cut to their bounds. */
export function executionError({ reach, harm = false, ...facts }: ExecutionErrorFacts): ExecutionError {
  return Object.freeze({
    ...facts,
    severity: severityOf({ type: facts.type, reach, harm }),
    category: categoryOf(facts.type),
    message: boundedText(facts.message),
    ...(facts.cause === undefined ? {} : { cause: boundedText(facts.cause) }),
    ...(facts.shadow === undefined ? {} : { shadow: boundedText(facts.shadow) }),
    allocationPath: facts.allocationPath ?? "",
    holders: Object.freeze((facts.holders ?? []).slice(0, LIMITS.errorHoldersMax)),
    fieldViolations: boundedViolations(facts.fieldViolations ?? []),
  });
}

/** Carries an ExecutionError through `throw`; at an RPC boundary it becomes the gRPC status with its details. */
export class FaultError extends Error {
  override name = "FaultError";
  readonly error: ExecutionError;

  constructor(error: ExecutionError, options?: ErrorOptions) {
    super(error.message, options);
    this.error = error;
  }
}

/** Well-formed text of at most LIMITS.errorMessageCharsMax characters. */
export function boundedText(text: string): string {
  const max = LIMITS.errorMessageCharsMax;
  return (text.length <= max ? text : `${text.slice(0, max - 1)}…`).toWellFormed();
}

/** At most LIMITS.errorFieldViolationsMax violations; the last one says how many were left out. */
export function boundedViolations(violations: readonly FieldViolation[]): readonly FieldViolation[] {
  const max = LIMITS.errorFieldViolationsMax;
  if (violations.length <= max) return Object.freeze([...violations]);
  const kept = violations.slice(0, max - 1);
  const left = violations.length - kept.length;
  return Object.freeze([...kept, { field: "", description: `and ${left} more fields; correct these first` }]);
}
