import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { amountsOf, type Book, type HeldBook } from "#budget";
import {
  ConflictSchema,
  type ConflictStrategy,
  GrantSchema,
  PolicySchema,
  TraceContextSchema,
} from "#gen/bursar/v1/allocation_pb.js";
import {
  BooksSchema,
  HeldBooksSchema,
  ResourceAmountsSchema,
  ResourceLimitsSchema,
  ResourceRequirementsSchema,
  ResourceUsageSchema,
} from "#gen/bursar/v1/resources_pb.js";
import { LIMITS } from "#std";
import type { FieldCheck } from "../parse/field-check.ts";
import {
  conflictFromProto,
  conflictToProto,
  grantFromProto,
  grantToProto,
  policyFromProto,
  policyToProto,
} from "./allocation.ts";
import {
  amountsFromProto,
  amountsToProto,
  displayAmount,
  displayMs,
  limitsFromProto,
  limitsToProto,
  requirementsFromProto,
  wantedLimitsFromProto,
} from "./amounts.ts";
import { traceFromProto, traceToProto } from "./trace.ts";
import {
  booksFromProto,
  booksToProto,
  heldBooksFromProto,
  heldBooksToProto,
  usageFromProto,
  usageToProto,
} from "./usage.ts";
import * as values from "./values.fixture.ts";
import { parsedWith, throughBytes } from "./values.fixture.ts";

interface Pair<T, S extends DescMessage> {
  readonly schema: S;
  readonly values: fc.Arbitrary<T>;
  readonly to: (value: T) => MessageShape<S>;
  readonly from: (check: FieldCheck, message: MessageShape<S>) => T;
}

function expectRoundTrip<T, S extends DescMessage>({ schema, values, to, from }: Pair<T, S>): void {
  fc.assert(
    fc.property(values, (value) => {
      const message = throughBytes(schema, to(value));
      expect(parsedWith((check) => from(check, message))).toEqual({ ok: true, value });
    }),
  );
}

const { amount } = values;
const book: fc.Arbitrary<Book> = fc.record({
  elastic: fc.boolean(),
  limit: amount,
  debt: amount,
  available: amount,
  reserved: amount,
  unconfirmed: amount,
  granted: amount,
  inDoubt: amount,
  spent: amount,
  overrun: amount,
  usage: amount,
});
const heldBook: fc.Arbitrary<HeldBook> = fc.record({
  elastic: fc.boolean(),
  limit: amount,
  inUse: amount,
  peak: amount,
});

describe("values survive the contract", () => {
  test("amounts", () =>
    expectRoundTrip({
      schema: ResourceAmountsSchema,
      values: values.amounts,
      to: amountsToProto,
      from: amountsFromProto,
    }));
  test("limits", () =>
    expectRoundTrip({ schema: ResourceLimitsSchema, values: values.limits, to: limitsToProto, from: limitsFromProto }));
  test("limits that are asked for", () =>
    expectRoundTrip({
      schema: ResourceLimitsSchema,
      values: values.wantedLimits,
      to: limitsToProto,
      from: wantedLimitsFromProto,
    }));
  test("policies", () =>
    expectRoundTrip({ schema: PolicySchema, values: values.policy, to: policyToProto, from: policyFromProto }));
  test("usage", () =>
    expectRoundTrip({ schema: ResourceUsageSchema, values: values.usage, to: usageToProto, from: usageFromProto }));
  test("books", () => expectRoundTrip({ schema: BooksSchema, values: book, to: booksToProto, from: booksFromProto }));
  test("books of held resources", () =>
    expectRoundTrip({ schema: HeldBooksSchema, values: heldBook, to: heldBooksToProto, from: heldBooksFromProto }));
  test("conflicts", () =>
    expectRoundTrip({ schema: ConflictSchema, values: values.conflict, to: conflictToProto, from: conflictFromProto }));
  test("grants", () =>
    expectRoundTrip({ schema: GrantSchema, values: values.grant, to: grantToProto, from: grantFromProto }));
  test("traces", () => {
    fc.assert(
      fc.property(values.trace, (trace) => {
        const message = traceToProto(trace);
        expect(message && traceFromProto(throughBytes(TraceContextSchema, message))).toEqual(trace);
      }),
    );
    expect(traceToProto(undefined)).toBeUndefined();
  });
});

const LARGEST = BigInt(LIMITS.amountMax);

describe("every wrong field is named, all at once", () => {
  test("amounts below zero and above 2^53-1", () => {
    const message = create(ResourceAmountsSchema, { credits: -1n, toolCalls: LARGEST, memoryBytes: LARGEST + 1n });
    expect(parsedWith((check) => amountsFromProto(check.inside("wanted"), message))).toEqual({
      ok: false,
      violations: [
        { field: "wanted.credits", description: `must be a whole number from 0 to ${LARGEST}; got -1` },
        {
          field: "wanted.memory_bytes",
          description: `must be a whole number from 0 to ${LARGEST}; got ${LARGEST + 1n}`,
        },
      ],
    });
  });

  test("limits", () => {
    const message = create(ResourceLimitsSchema, {
      maxCredits: -5n,
      maxToolCalls: LARGEST + 1n,
      maxConcurrentBranches: -1n,
      maxMemoryBytes: -1n,
      maxDurationMs: BigInt(LIMITS.durationMsMax) + 1n,
      priorityBonus: -1n,
      emergencyReserve: LARGEST + 1n,
    });
    const parsed = parsedWith((check) => limitsFromProto(check, message));
    expect(parsed.ok ? [] : parsed.violations.map(({ field }) => field)).toEqual([
      "max_credits",
      "max_tool_calls",
      "max_concurrent_branches",
      "max_memory_bytes",
      "max_duration_ms",
      "priority_bonus",
      "emergency_reserve",
    ]);
  });

  test("carved parts that do not fit into the credits", () => {
    const fits = create(ResourceLimitsSchema, { maxCredits: 10n, priorityBonus: 4n, emergencyReserve: 6n });
    expect(parsedWith((check) => wantedLimitsFromProto(check, fits)).ok).toBe(true);
    for (const message of [
      create(ResourceLimitsSchema, { maxCredits: 9n, priorityBonus: 4n, emergencyReserve: 6n }),
      create(ResourceLimitsSchema, { emergencyReserve: 1n }),
    ]) {
      const parsed = parsedWith((check) => wantedLimitsFromProto(check.inside("limits"), message));
      expect(parsed).toMatchObject({ ok: false, violations: [{ field: "limits.emergency_reserve" }] });
    }
  });

  test("a strategy that only a newer peer knows", () => {
    const message = create(PolicySchema, { strategy: 99 as ConflictStrategy });
    expect(parsedWith((check) => policyFromProto(check.inside("policy"), message))).toEqual({
      ok: false,
      violations: [
        {
          field: "policy.strategy",
          description:
            "99 is none of FIRST_COME_FIRST_SERVED, PRIORITY_BASED, PROPORTIONAL_SHARING, PREEMPTION_ALLOWED, QUEUE_AND_WAIT",
        },
      ],
    });
  });

  test.each([
    ["nothing to try", create(PolicySchema), "policy.shadow"],
    ["a shadow of its own", create(PolicySchema, { shadow: { agingStepMs: 500 } }), "policy.shadow.shadow"],
    [
      "what decides about no request",
      create(PolicySchema, { lowBudgetPercents: [50] }),
      "policy.shadow.low_budget_percents",
    ],
    ["a step that is too short", create(PolicySchema, { agingStepMs: 1 }), "policy.shadow.aging_step_ms"],
    ["an unknown strategy", create(PolicySchema, { strategy: 99 as ConflictStrategy }), "policy.shadow.strategy"],
  ])("a policy to be tried: %s", (_, shadow, field) => {
    const message = create(PolicySchema, { shadow });
    const parsed = parsedWith((check) => policyFromProto(check.inside("policy"), message));
    expect(parsed).toMatchObject({ ok: false });
    expect(parsed.ok ? [] : parsed.violations.map((violation) => violation.field)).toContain(field);
  });

  test("an empty grant", () => {
    const parsed = parsedWith((check) => grantFromProto(check.inside("grant"), create(GrantSchema)));
    expect(parsed.ok ? [] : parsed.violations.map(({ field }) => field)).toEqual([
      "grant.lease",
      "grant.allocation_id",
      "grant.path",
      "grant.name",
      "grant.kind",
    ]);
  });

  test("usage: names and counts of tools", () => {
    const tools = [
      { name: "search", calls: 1n },
      { name: "", calls: 1n },
      { name: "a\nb", calls: -1n },
    ];
    const message = create(ResourceUsageSchema, { tools });
    const parsed = parsedWith((check) => usageFromProto(check, message));
    expect(parsed.ok ? [] : parsed.violations.map(({ field }) => field)).toEqual([
      "tools[1].name",
      "tools[2].name",
      "tools[2].calls",
    ]);
  });

  test("requirements", () => {
    const message = create(ResourceRequirementsSchema, { minCredits: 11n, maxCredits: 10n, estimatedDurationMs: -1n });
    const parsed = parsedWith((check) => requirementsFromProto(check, message));
    expect(parsed.ok ? [] : parsed.violations.map(({ field }) => field)).toEqual([
      "estimated_duration_ms",
      "min_credits",
    ]);
  });
});

describe("absent and zero", () => {
  test("absent messages have the meaning that the contract states", () => {
    const parsed = parsedWith((check) => ({
      amounts: amountsFromProto(check, undefined),
      limits: limitsFromProto(check, undefined),
      policy: policyFromProto(check, undefined),
      usage: usageFromProto(check, undefined).credits,
    }));
    expect(parsed).toEqual({ ok: true, value: { amounts: amountsOf({}), limits: {}, policy: {}, usage: 0 } });
  });

  test("a grant without priority, weight and policy is NORMAL, 1 and inherited", () => {
    const message = create(GrantSchema, { allocationId: "a", path: "a", name: "a", kind: 3, lease: { epoch: 1n } });
    const parsed = parsedWith((check) => grantFromProto(check, message));
    expect(parsed).toMatchObject({ ok: true, value: { priority: "NORMAL", weight: 1, policy: {}, token: undefined } });
  });

  test("requirements ask for the most and state the least", () => {
    const message = create(ResourceRequirementsSchema, {
      minCredits: 4n,
      maxCredits: 10n,
      toolCalls: 3n,
      memoryBytes: 5n,
      concurrencyLevel: 2n,
      maxDurationMs: 7n,
    });
    expect(parsedWith((check) => requirementsFromProto(check, message))).toEqual({
      ok: true,
      value: {
        limits: { credits: 10, toolCalls: 3, memoryBytes: 5, branches: 2, durationMs: 7 },
        min: { credits: 4, toolCalls: 3, branches: 0, memoryBytes: 0 },
      },
    });
  });

  test.each([
    "",
    "00-00000000000000000000000000000000-0000000000000001-01",
    "ff-11111111111111111111111111111111-2222222222222222-01",
    "nonsense",
    `01-11111111111111111111111111111111-2222222222222222-01-${"x".repeat(200)}`,
  ])("a malformed trace reads as none: %s", (traceparent) => {
    expect(traceFromProto(create(TraceContextSchema, { traceparent }))).toBeUndefined();
  });

  test("a trace with an endless state keeps its ids", () => {
    const traceparent = "00-11111111111111111111111111111111-2222222222222222-01";
    const message = create(TraceContextSchema, { traceparent, tracestate: "x".repeat(600) });
    expect(traceFromProto(message)).toEqual({ traceparent });
  });

  test("figures for display are cut to what the wire carries", () => {
    expect([Number.POSITIVE_INFINITY, -1, 1.5, 7].map(displayAmount)).toEqual([LARGEST, 0n, 1n, 7n]);
    expect([Number.POSITIVE_INFINITY, -1, 1.5, 7].map(displayMs)).toEqual([0xffff_ffff, 0, 2, 7]);
  });
});
