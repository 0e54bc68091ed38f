import { describe, expect, test } from "vitest";
import type { SeverityFacts } from "./severity.ts";
import { severityOf } from "./severity.ts";

const CASES: readonly (readonly [rule: string, facts: SeverityFacts, severity: string])[] = [
  ["1 the system is down", { type: "TIMEOUT", reach: "system" }, "FATAL"],
  ["1 goes before harm", { type: "STATE_CORRUPTION", reach: "system", harm: true }, "FATAL"],
  ["2 several, with harm", { type: "STATE_CORRUPTION", reach: "several", harm: true }, "CRITICAL"],
  ["2 several, without harm", { type: "NETWORK_ERROR", reach: "several" }, "ERROR"],
  ["3 one, recoverable", { type: "TIMEOUT", reach: "one" }, "ERROR"],
  ["3 one, partly recoverable", { type: "TOOL_EXECUTION_FAILED", reach: "one" }, "ERROR"],
  ["3 one, not recoverable", { type: "VALIDATION_FAILED", reach: "one" }, "WARNING"],
  ["4 unclear", { type: "VALIDATION_FAILED", reach: "unclear" }, "ERROR"],
  ["resource, several", { type: "RESOURCE_EXHAUSTED", reach: "several" }, "CRITICAL"],
  ["resource, one", { type: "RESOURCE_ALLOCATION_FAILED", reach: "one" }, "ERROR"],
  ["resource, unclear", { type: "QUOTA_EXCEEDED", reach: "unclear" }, "ERROR"],
];

describe("severity", () => {
  test.each(CASES)("%s", (_rule, facts, severity) => {
    expect(severityOf(facts)).toBe(severity);
  });
});
