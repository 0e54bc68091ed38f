import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import { executionError, FaultError } from "./execution-error.ts";
import { invalidArgument, RefusalError, refusal } from "./refusal.ts";

const violations = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ field: `items[${index}]`, description: "must be positive" }));

describe("executionError", () => {
  test("adds severity and category, and keeps what the raiser said", () => {
    const error = executionError({
      id: "e-1",
      type: "RESOURCE_EXHAUSTED",
      reach: "one",
      message: "credits depleted",
      tier: "execution",
      allocationPath: "swarm/run/step",
      ancestor: "run",
      resource: "credits",
      holders: ["step-2"],
      retryAfterMs: 250,
    });
    expect(error).toEqual({
      id: "e-1",
      type: "RESOURCE_EXHAUSTED",
      severity: "ERROR",
      category: "RESOURCE",
      message: "credits depleted",
      tier: "execution",
      allocationPath: "swarm/run/step",
      ancestor: "run",
      resource: "credits",
      holders: ["step-2"],
      retryAfterMs: 250,
      fieldViolations: [],
    });
    expect(new FaultError(error).message).toBe("credits depleted");
  });

  test("cuts texts and lists to what fits into response trailers", () => {
    const error = executionError({
      id: "e-2",
      type: "TIMEOUT",
      reach: "one",
      message: "m".repeat(5_000),
      cause: `${"c".repeat(5_000)}`,
      holders: Array.from({ length: 100 }, (_, index) => `h${index}`),
      fieldViolations: violations(100),
    });
    expect(error.message).toHaveLength(LIMITS.errorMessageCharsMax);
    expect(error.cause).toHaveLength(LIMITS.errorMessageCharsMax);
    expect(error.holders).toHaveLength(LIMITS.errorHoldersMax);
    expect(error.fieldViolations).toHaveLength(LIMITS.errorFieldViolationsMax);
    expect(error.fieldViolations.at(-1)?.description).toMatch(/^and 69 more fields/);
  });

  test("makes broken text well-formed", () => {
    const error = executionError({ id: "e-3", type: "TIMEOUT", reach: "one", message: "half \ud800 a pair" });
    expect(error.message.isWellFormed()).toBe(true);
  });
});

describe("refusals", () => {
  test("invalidArgument names the first field and counts the rest", () => {
    expect(invalidArgument(violations(3)).message).toBe("items[0]: must be positive (and 2 more)");
    expect(invalidArgument(violations(1)).message).toBe("items[0]: must be positive");
  });

  test("carry what the caller needs", () => {
    const facts = { reason: "STALE_EPOCH", message: "epoch 3 is over", currentEpoch: 4 } as const;
    expect(new RefusalError(facts).refusal).toEqual(refusal(facts));
    expect(refusal(facts)).toEqual({ ...facts, fieldViolations: [] });
  });
});
