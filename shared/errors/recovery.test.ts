import { describe, expect, test } from "vitest";
import { chooseRecovery, type RecoveryPlan, type RecoverySituation, recoveryPriorityRank } from "./recovery.ts";

/** An ERROR of a kind with no special rule, nothing declared, a parent above, no deadline. */
const PLAIN: RecoverySituation = {
  severity: "ERROR",
  category: "LOGIC",
  recoverability: "PARTIAL",
  harm: false,
  attempts: 1,
  maxAttempts: 3,
  failedActions: [],
  circuitOpen: false,
  reducedRequestFits: false,
  fallbackStrategyDeclared: false,
  fallbackModelDeclared: false,
  degradationAllowed: false,
  lastTier: false,
  random: 0.5,
};
const TRANSIENT = { category: "TRANSIENT", recoverability: "AUTOMATIC" } as const;
const RESOURCE = { category: "RESOURCE", recoverability: "PARTIAL" } as const;
const CRITICAL = { severity: "CRITICAL" } as const;

type Case = readonly [branch: string, change: Partial<RecoverySituation>, plan: Partial<RecoveryPlan>];

const ESCALATE = { actions: ["ESCALATE_TO_PARENT"] } as const;
const CASES: readonly Case[] = [
  ["1 fatal", { severity: "FATAL" }, { actions: ["EMERGENCY_STOP"], alert: true }],
  ["2 critical with harm", { ...CRITICAL, harm: true }, { actions: ["ESCALATE_TO_HUMAN"], safeStateFirst: true }],
  [
    "2 goes before 3",
    { ...CRITICAL, harm: true, fallbackStrategyDeclared: true },
    { actions: ["ESCALATE_TO_HUMAN"], safeStateFirst: true },
  ],
  [
    "3 strategy",
    { ...CRITICAL, fallbackStrategyDeclared: true, fallbackModelDeclared: true },
    { actions: ["FALLBACK_STRATEGY", "RETRY_MODIFIED"] },
  ],
  [
    "3 model after strategy",
    {
      ...CRITICAL,
      fallbackStrategyDeclared: true,
      fallbackModelDeclared: true,
      failedActions: ["FALLBACK_STRATEGY"],
    },
    { actions: ["FALLBACK_MODEL", "RETRY_MODIFIED"] },
  ],
  [
    "3 fallback failed",
    { ...CRITICAL, fallbackModelDeclared: true, degradationAllowed: true, failedActions: ["FALLBACK_MODEL"] },
    { actions: ["GRACEFUL_DEGRADATION"] },
  ],
  ["3 no fallback", { ...CRITICAL, degradationAllowed: true }, { actions: ["GRACEFUL_DEGRADATION"] }],
  ["3 nothing allowed", CRITICAL, { actions: ["ESCALATE_TO_HUMAN"] }],
  [
    "3 degradation failed",
    { ...CRITICAL, degradationAllowed: true, failedActions: ["GRACEFUL_DEGRADATION"] },
    { actions: ["ESCALATE_TO_HUMAN"] },
  ],
  ["4 retry", TRANSIENT, { actions: ["RETRY_SAME"], delayMs: 50 }],
  ["4 backoff grows", { ...TRANSIENT, attempts: 2 }, { actions: ["RETRY_SAME"], delayMs: 100 }],
  ["4 stated time", { ...TRANSIENT, retryAfterMs: 700 }, { actions: ["WAIT_AND_RETRY"], delayMs: 750 }],
  ["4 attempts used up", { ...TRANSIENT, attempts: 3 }, ESCALATE],
  ["4 never past the deadline", { ...TRANSIENT, deadlineLeftMs: 50 }, ESCALATE],
  ["4 within the deadline", { ...TRANSIENT, deadlineLeftMs: 51 }, { actions: ["RETRY_SAME"], delayMs: 50 }],
  ["4 stated time past the deadline", { ...TRANSIENT, retryAfterMs: 700, deadlineLeftMs: 700 }, ESCALATE],
  [
    "4 open circuit",
    { ...TRANSIENT, circuitOpen: true, fallbackStrategyDeclared: true },
    { actions: ["FALLBACK_STRATEGY"] },
  ],
  [
    "5 smaller request",
    { ...RESOURCE, reducedRequestFits: true, retryAfterMs: 900 },
    { actions: ["REDUCE_SCOPE", "RETRY_MODIFIED"], delayMs: 0 },
  ],
  ["5 later", { ...RESOURCE, retryAfterMs: 900 }, { actions: ["RETRY_MODIFIED"], delayMs: 900 }],
  [
    "5 reduction failed",
    { ...RESOURCE, reducedRequestFits: true, failedActions: ["REDUCE_SCOPE"], fallbackStrategyDeclared: true },
    { actions: ["FALLBACK_STRATEGY"] },
  ],
  ["5 attempts used up", { ...RESOURCE, reducedRequestFits: true, attempts: 3 }, ESCALATE],
  ["5 deadline over", { ...RESOURCE, reducedRequestFits: true, deadlineLeftMs: 0 }, ESCALATE],
  ["5 not recoverable", { ...RESOURCE, reducedRequestFits: true, recoverability: "NONE" }, ESCALATE],
  ["6 fallback declared", { fallbackStrategyDeclared: true }, { actions: ["FALLBACK_STRATEGY"] }],
  ["6 fallback failed", { fallbackStrategyDeclared: true, failedActions: ["FALLBACK_STRATEGY"] }, ESCALATE],
  ["6 no fallback", {}, ESCALATE],
  ["6 configuration", { category: "CONFIGURATION", recoverability: "NONE" }, ESCALATE],
  ["6 unknown", { category: "UNKNOWN", recoverability: "NONE" }, ESCALATE],
  ["6 last tier", { lastTier: true }, { actions: ["ESCALATE_TO_HUMAN"] }],
  ["6 security is not worked around", { category: "SECURITY", fallbackStrategyDeclared: true }, ESCALATE],
  ["7 warning", { severity: "WARNING" }, { actions: ["LOG_WARNING"] }],
  ["7 info", { severity: "INFO" }, { actions: ["LOG_INFO"] }],
];

describe("recovery", () => {
  test.each(CASES)("%s", (_branch, change, plan) => {
    const expected = { delayMs: 0, alert: false, safeStateFirst: false, ...plan };
    expect(chooseRecovery({ ...PLAIN, ...change })).toEqual(expected);
  });

  test("a retried request never outranks its swarm", () => {
    expect(recoveryPriorityRank(4, 2)).toBe(2);
    expect(recoveryPriorityRank(1, 2)).toBe(1);
  });
});
