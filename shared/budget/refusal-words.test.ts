/** The words of refusals: one sentence that names what was short, where, who holds it, under which rule, and what comes next. */
import { describe, expect, it } from "vitest";
import { amount } from "./amount.ts";
import type { Conflict, Refusal } from "./outcome.ts";
import { CONFLICT_TYPES } from "./policy.ts";
import { conflictWords, refusalWords } from "./refusal-words.ts";
import { conflictOf, Scenario } from "./scenario.test-support.ts";

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
  expectedWaitMs: 900,
};

const OWN_QUEUE = { name: "QUEUE_AND_WAIT", from: "own", path: "acme/team" } as const;
const HELD = "held by acme/team/run-1 (300), acme/team/run-2 (80)";
const SHORT = "acme/team has 120 credits free of the 500 wanted";

const CASES: readonly (readonly [string, Partial<Conflict>, string])[] = [
  [
    "what is free, who holds the rest, and when to try again",
    {},
    `INSUFFICIENT_CREDITS: ${SHORT}; ${HELD}; try again in 700 ms`,
  ],
  [
    "that it can never fit, and what to do instead",
    { never: true, holders: [], strategy: OWN_QUEUE },
    `INSUFFICIENT_CREDITS: ${SHORT}; it can never fit, ask for less or have the limit raised`,
  ],
  [
    "the debt that comes first",
    { available: 0, debt: 40, holders: [] },
    "INSUFFICIENT_CREDITS: acme/team has 0 credits free of the 500 wanted and owes 40, which must be paid first; try again in 700 ms",
  ],
  [
    "what of the credits is kept for others",
    { available: 0, holders: [], kept: { bonus: amount(20), emergency: amount(0), wrapUp: amount(5) } },
    "INSUFFICIENT_CREDITS: acme/team has 0 credits free of the 500 wanted; kept beside that: 20 for HIGH and above, 5 for its final step; try again in 700 ms",
  ],
  [
    "the resource as the wire names it",
    { conflict: "CONCURRENCY_LIMIT_REACHED", resource: "branches", wanted: 3, available: 1, holders: [] },
    "CONCURRENCY_LIMIT_REACHED: acme/team has 1 concurrent_branches free of the 3 wanted; try again in 700 ms",
  ],
  [
    "memory in bytes",
    { conflict: "INSUFFICIENT_MEMORY", resource: "memoryBytes", holders: [] },
    "INSUFFICIENT_MEMORY: acme/team has 120 memory_bytes free of the 500 wanted; try again in 700 ms",
  ],
  [
    "tool calls",
    { conflict: "TOOL_LIMIT_REACHED", resource: "toolCalls", holders: [] },
    "TOOL_LIMIT_REACHED: acme/team has 120 tool_calls free of the 500 wanted; try again in 700 ms",
  ],
  [
    "a deadline that has passed",
    { conflict: "INSUFFICIENT_TIME", resource: "duration", available: 0, never: true },
    "INSUFFICIENT_TIME: the deadline of acme/team has passed",
  ],
  [
    "a deadline that is too near",
    { conflict: "INSUFFICIENT_TIME", resource: "duration", available: 20, never: true },
    "INSUFFICIENT_TIME: acme/team has 20 ms left, and the work asked for would have no time",
  ],
  [
    "who has it for itself",
    { conflict: "EXCLUSIVE_ACCESS_REQUIRED", resource: "toolCalls" },
    "EXCLUSIVE_ACCESS_REQUIRED: tool_calls of acme/team is in use by acme/team/run-1, acme/team/run-2, and one of them or the request wants it alone; try again in 700 ms",
  ],
  [
    "a strategy that denies",
    { holders: [], strategy: { name: "FIRST_COME_FIRST_SERVED", from: "default", path: "" } },
    `INSUFFICIENT_CREDITS: ${SHORT}; FIRST_COME_FIRST_SERVED (by default) denies what does not fit now; try again in 700 ms`,
  ],
  [
    "a strategy under which it could wait, and does not",
    { holders: [], strategy: { name: "PRIORITY_BASED", from: "inherited", path: "acme" } },
    `INSUFFICIENT_CREDITS: ${SHORT}; it does not wait under PRIORITY_BASED (inherited from acme); try again in 700 ms`,
  ],
  [
    "its place while it waits",
    { holders: [], position: 3, strategy: { name: "QUEUE_AND_WAIT", from: "request", path: "" } },
    `INSUFFICIENT_CREDITS: ${SHORT}; it waits at place 3 under QUEUE_AND_WAIT (the request's); something changes in about 900 ms`,
  ],
  [
    "that nobody knows how long it will wait",
    { holders: [], position: 3, expectedWaitMs: 0, strategy: { name: "QUEUE_AND_WAIT", from: "request", path: "" } },
    `INSUFFICIENT_CREDITS: ${SHORT}; it waits at place 3 under QUEUE_AND_WAIT (the request's); nobody knows when something changes`,
  ],
  [
    "how often one was served of late, and what that makes of its place",
    { holders: [], position: 3, expectedWaitMs: 36_400, servedEveryMs: 12_133, strategy: OWN_QUEUE },
    `INSUFFICIENT_CREDITS: ${SHORT}; it waits at place 3 under QUEUE_AND_WAIT (its own); of late one was served every 12 s: about 36 s at place 3`,
  ],
  [
    "that it has waited long enough",
    { holders: [], waitedMs: 1_200, strategy: OWN_QUEUE },
    `INSUFFICIENT_CREDITS: ${SHORT}; it waited 1200 ms under QUEUE_AND_WAIT (its own), and may not wait longer; try again in 700 ms`,
  ],
  [
    "that others have their turn before it, where there would be enough",
    { available: 900, holders: [], position: 2, strategy: OWN_QUEUE },
    "INSUFFICIENT_CREDITS: acme/team has 900 credits free, enough for the 500 wanted, and others have their turn before; it waits at place 2 under QUEUE_AND_WAIT (its own); something changes in about 900 ms",
  ],
];

describe("a conflict says", () => {
  it.each(CASES)("%s", (_, change, words) => {
    expect(conflictWords({ ...conflict, ...change })).toBe(words);
    expect(refusalWords({ code: "conflict", conflict: { ...conflict, ...change } })).toBe(words);
  });

  it("something of its own for each type of conflict", () => {
    expect(new Set(CASES.map(([, { conflict: type = conflict.conflict }]) => type))).toEqual(new Set(CONFLICT_TYPES));
  });
});

describe("the strategy in a conflict", () => {
  const asked = (policy: object, strategy?: "QUEUE_AND_WAIT") => {
    const s = new Scenario();
    const account = s.account({ credits: 10 }, policy);
    const swarm = s.open(account, { limits: { credits: 10 } });
    s.reserve(swarm, { wanted: { credits: 5 } });
    return conflictOf(s.grant(s.openWish(swarm, { limits: { credits: 6 }, strategy })));
  };

  it("is the usual one, inherited, or none for a call", () => {
    expect(asked({}).strategy).toEqual({ name: "FIRST_COME_FIRST_SERVED", from: "default", path: "" });
    const inherited = asked({ strategy: "QUEUE_AND_WAIT" });
    expect(inherited.strategy).toMatchObject({ name: "QUEUE_AND_WAIT", from: "inherited" });
    expect(inherited.strategy?.path).toBe(inherited.ancestorPath.split("/")[0]);
    const s = new Scenario();
    const account = s.account({ credits: 10 });
    expect(conflictOf(s.tryReserve(account, { wanted: { credits: 11 } }))).not.toHaveProperty("strategy");
  });

  it("is the node's own, and the request's where the policy lets it choose", () => {
    const s = new Scenario();
    const account = s.account({ credits: 10 }, { strategy: "FIRST_COME_FIRST_SERVED", requestMayChoose: true });
    s.reserve(account, { wanted: { credits: 5 } });
    const ask = (opening: object) => s.grant(s.openWish(account, { limits: { credits: 6 }, ...opening }));
    expect(conflictOf(ask({})).strategy).toMatchObject({ from: "own", path: account });
    const queued = ask({ strategy: "QUEUE_AND_WAIT", waitMs: 500 });
    expect(queued).toMatchObject({
      type: "queued",
      conflict: { strategy: { name: "QUEUE_AND_WAIT", from: "request" } },
    });
  });
});

it("every other refusal has its words, with what to do", () => {
  const of = (refusal: Refusal) => refusalWords(refusal);
  expect(of({ code: "not_found", subject: "hold", id: "h" })).toBe("no hold with id h is known here");
  expect(of({ code: "invalid", violations: [{ field: "ttl", message: "must be above 0" }] })).toBe(
    "ttl: must be above 0",
  );
  expect(of({ code: "closing", allocationId: "a", path: "acme/a", reason: "stopped" })).toBe(
    "acme/a takes no new work: stopped",
  );
  expect(of({ code: "withdrawn", path: "acme/a" })).toBe("acme/a waits no longer: cancelled by the caller");
  expect(of({ code: "too_many", message: "9 wait", retryAfterMs: 1 })).toBe("9 wait");
});
