/**
 * Choosing the recovery: a pure function from what is known about an error to what is to be done next. The caller acts,
 * and asks again with the recovery listed in `failedActions` when it did not help. Time and randomness are arguments.
 */
import { backoffMs, LIMITS } from "#std";
import type { ErrorCategory, Recoverability } from "./category.ts";
import type { Severity } from "./severity.ts";

export type RecoveryAction =
  | "EMERGENCY_STOP"
  | "ESCALATE_TO_HUMAN"
  | "ESCALATE_TO_PARENT"
  | "FALLBACK_STRATEGY"
  | "FALLBACK_MODEL"
  | "GRACEFUL_DEGRADATION"
  | "REDUCE_SCOPE"
  | "RETRY_MODIFIED"
  | "RETRY_SAME"
  | "WAIT_AND_RETRY"
  | "LOG_WARNING"
  | "LOG_INFO";

export interface RecoverySituation {
  readonly severity: Severity;
  readonly category: ErrorCategory;
  readonly recoverability: Recoverability;
  /** Data was lost or security was breached. */
  readonly harm: boolean;
  /** Attempts of this operation so far, the failed one included: 1 or more. */
  readonly attempts: number;
  /** Default LIMITS.recoveryAttemptsMax. */
  readonly maxAttempts?: number;
  /** Recoveries that were tried for this error and did not help. */
  readonly failedActions: readonly RecoveryAction[];
  /** Calls to the dependency are held back. */
  readonly circuitOpen: boolean;
  /** A smaller request or cheaper variant exists, and what is available now pays for it. */
  readonly reducedRequestFits: boolean;
  /** Milliseconds until the operation's deadline; absent = none. */
  readonly deadlineLeftMs?: number;
  /** Milliseconds after which the error says a retry may succeed. */
  readonly retryAfterMs?: number;
  readonly fallbackStrategyDeclared: boolean;
  readonly fallbackModelDeclared: boolean;
  /** The run may end with part of its result. */
  readonly degradationAllowed: boolean;
  /** No tier above: coordination. */
  readonly lastTier: boolean;
  /** A random number from 0 to just under 1, for the backoff. */
  readonly random: number;
}

/** What to do, in order: bring things to a safe state if asked to, wait `delayMs`, then each action. */
export interface RecoveryPlan {
  readonly actions: readonly RecoveryAction[];
  readonly delayMs: number;
  readonly alert: boolean;
  readonly safeStateFirst: boolean;
}

/** The next recovery, by the numbered rules of the design's recovery table. */
export function chooseRecovery(situation: RecoverySituation): RecoveryPlan {
  const { severity, category } = situation;
  if (severity === "FATAL") return plan(["EMERGENCY_STOP"], { alert: true });
  if (severity === "CRITICAL") return recoverCritical(situation);
  if (severity === "WARNING") return plan(["LOG_WARNING"]);
  if (severity === "INFO") return plan(["LOG_INFO"]);
  if (category === "TRANSIENT") return retryTransient(situation) ?? fallBackOrEscalate(situation);
  if (category === "RESOURCE") return retryReduced(situation) ?? fallBackOrEscalate(situation);
  return fallBackOrEscalate(situation);
}

/** The priority of what a recovery sends again: the wish, never above the swarm's own (ranks, higher is more urgent). */
export function recoveryPriorityRank(wantedRank: number, swarmRank: number): number {
  return Math.min(wantedRank, swarmRank);
}

function recoverCritical(situation: RecoverySituation): RecoveryPlan {
  if (situation.harm) return plan(["ESCALATE_TO_HUMAN"], { safeStateFirst: true });
  if (situation.fallbackStrategyDeclared && untried(situation, "FALLBACK_STRATEGY")) {
    return plan(["FALLBACK_STRATEGY", "RETRY_MODIFIED"]);
  }
  if (situation.fallbackModelDeclared && untried(situation, "FALLBACK_MODEL")) {
    return plan(["FALLBACK_MODEL", "RETRY_MODIFIED"]);
  }
  if (situation.degradationAllowed && untried(situation, "GRACEFUL_DEGRADATION")) return plan(["GRACEFUL_DEGRADATION"]);
  return plan(["ESCALATE_TO_HUMAN"]);
}

function retryTransient(situation: RecoverySituation): RecoveryPlan | undefined {
  if (situation.circuitOpen) return undefined;
  const { attempts, random, retryAfterMs } = situation;
  if (retryAfterMs === undefined) {
    const baseMs = LIMITS.recoveryBackoffFirstMs;
    const delayMs = backoffMs({ attempt: attempts - 1, baseMs, maxMs: LIMITS.recoveryBackoffMaxMs, random });
    return mayRetry(situation, delayMs) ? plan(["RETRY_SAME"], { delayMs }) : undefined;
  }
  // The stated time is a lower bound shared by everyone who was refused: the jitter keeps them from returning as one herd.
  const delayMs = retryAfterMs + Math.round(random * LIMITS.recoveryBackoffFirstMs);
  return mayRetry(situation, delayMs) ? plan(["WAIT_AND_RETRY"], { delayMs }) : undefined;
}

function retryReduced(situation: RecoverySituation): RecoveryPlan | undefined {
  if (situation.reducedRequestFits && untried(situation, "REDUCE_SCOPE") && mayRetry(situation, 0)) {
    return plan(["REDUCE_SCOPE", "RETRY_MODIFIED"]);
  }
  const delayMs = situation.retryAfterMs;
  if (delayMs === undefined || !mayRetry(situation, delayMs)) return undefined;
  return plan(["RETRY_MODIFIED"], { delayMs });
}

function fallBackOrEscalate(situation: RecoverySituation): RecoveryPlan {
  // A security refusal is not worked around: no fallback, the tier above decides.
  const fallbackHelps = situation.category !== "SECURITY" && situation.fallbackStrategyDeclared;
  if (fallbackHelps && untried(situation, "FALLBACK_STRATEGY")) return plan(["FALLBACK_STRATEGY"]);
  return plan([situation.lastTier ? "ESCALATE_TO_HUMAN" : "ESCALATE_TO_PARENT"]);
}

function mayRetry(situation: RecoverySituation, delayMs: number): boolean {
  const { attempts, maxAttempts = LIMITS.recoveryAttemptsMax, deadlineLeftMs, recoverability } = situation;
  if (recoverability === "NONE" || attempts >= maxAttempts) return false;
  return deadlineLeftMs === undefined || delayMs < deadlineLeftMs;
}

function untried(situation: RecoverySituation, action: RecoveryAction): boolean {
  return !situation.failedActions.includes(action);
}

function plan(actions: readonly RecoveryAction[], extra: Partial<Omit<RecoveryPlan, "actions">> = {}): RecoveryPlan {
  return { actions, delayMs: 0, alert: false, safeStateFirst: false, ...extra };
}
