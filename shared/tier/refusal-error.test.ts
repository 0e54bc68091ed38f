import { describe, expect, it } from "vitest";
import { type Conflict, conflictWords, type Refusal } from "#budget";
import { errorOfRefusal } from "./refusal-error.ts";

const CONTEXT = { tier: "process", errorId: "error-1", onOwn: false } as const;

const conflict: Conflict = {
  conflict: "INSUFFICIENT_CREDITS",
  resource: "credits",
  ancestorId: "id-of-team",
  ancestorPath: "acme/team",
  wanted: 500,
  available: 120,
  debt: 0,
  holders: [
    { id: "run-1", path: "acme/team/run-1", amount: 300 },
    { id: "run-2", path: "acme/team/run-2", amount: 80 },
  ],
  never: false,
  retryAfterMs: 700,
  position: 0,
  expectedWaitMs: 700,
};

describe("errorOfRefusal", () => {
  it("makes a conflict an execution error with ancestor, resource, holders and time", () => {
    expect(errorOfRefusal({ code: "conflict", conflict }, CONTEXT)).toMatchObject({
      message: conflictWords(conflict),
      error: {
        id: "error-1",
        type: "RESOURCE_ALLOCATION_FAILED",
        tier: "process",
        ancestor: "id-of-team",
        allocationPath: "acme/team",
        resource: "credits",
        holders: ["run-1", "run-2"],
        retryAfterMs: 700,
      },
    });
  });

  it("tells a shortage of the allocation's own budget from one of a parent's", () => {
    expect(errorOfRefusal({ code: "conflict", conflict }, { ...CONTEXT, onOwn: true })).toMatchObject({
      error: { type: "RESOURCE_EXHAUSTED" },
    });
  });

  it("gives no time to try again where it can never fit", () => {
    const never = { code: "conflict", conflict: { ...conflict, never: true, retryAfterMs: 0 } } as const;
    const error = errorOfRefusal(never, CONTEXT);
    expect("error" in error && "retryAfterMs" in error.error).toBe(false);
  });

  it.each<[Refusal, object, RegExp]>([
    [
      {
        code: "invalid",
        violations: [
          { field: "ttl", message: "must be above 0" },
          { field: "name", message: "is empty" },
        ],
      },
      {
        reason: "INVALID_ARGUMENT",
        fieldViolations: [{ field: "ttl", description: "must be above 0" }, { field: "name" }],
      },
      /ttl: must be above 0; name: is empty/,
    ],
    [{ code: "not_found", subject: "hold", id: "h-1" }, { reason: "NOT_FOUND" }, /no hold with id h-1 is known here/],
    [
      { code: "stale_epoch", allocationId: "a-1", currentEpoch: 4 },
      { reason: "STALE_EPOCH", currentEpoch: 4 },
      /a-1 is held under epoch 4/,
    ],
    [{ code: "not_permitted", message: "not yours" }, { reason: "NOT_PERMITTED" }, /not yours/],
    [{ code: "request_reused", requestId: "r-1" }, { reason: "REQUEST_ID_REUSED" }, /r-1 was used before.*new id/],
    [
      { code: "closing", allocationId: "a-1", path: "acme/a", reason: "the swarm was stopped" },
      { reason: "STATE_FORBIDS" },
      /acme\/a takes no new work: the swarm was stopped/,
    ],
    [
      { code: "withdrawn", path: "acme/a" },
      { reason: "STATE_FORBIDS" },
      /acme\/a waits no longer: cancelled by the caller/,
    ],
    [
      { code: "paused", allocationId: "a-1", path: "acme/a", reason: "by hand" },
      { reason: "PAUSED", retryAfterMs: 1_000 },
      /acme\/a is paused \(by hand\); nothing new is begun until it goes on/,
    ],
    [
      { code: "lease_ended", allocationId: "a-1", path: "acme/a" },
      { reason: "LEASE_ENDED", retryAfterMs: 1_000 },
      /lease of acme\/a has ended; nothing is spent until the tier above answers: try again in 1000 ms/,
    ],
    [{ code: "unsupported", message: "use SHRINK" }, { reason: "UNIMPLEMENTED" }, /use SHRINK/],
    [
      { code: "too_many", message: "9 already wait", retryAfterMs: 50 },
      { reason: "QUEUE_FULL", retryAfterMs: 50 },
      /9 already wait/,
    ],
  ])("makes $code a refusal of the protocol that says what to do", (refusal, facts, words) => {
    const error = errorOfRefusal(refusal, CONTEXT);
    expect(error).toMatchObject({ name: "RefusalError", refusal: facts });
    expect(error.message).toMatch(words);
  });
});
