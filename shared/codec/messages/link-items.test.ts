import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { amountsOf } from "#budget";
import {
  GrantDecisionSchema,
  GrantRequestSchema,
  StreamGrantsRequestSchema,
  StreamGrantsResponseSchema,
  StreamUsageRequestSchema,
  StreamUsageResponseSchema,
} from "#gen/bursar/v1/budget_service_pb.js";
import type { DownItem, UpItem } from "#ports";
import { LIMITS } from "#std";
import { downItemsOfGrants, downItemsOfUsage, grantsResponseOf, usageResponseOf } from "./down-items.ts";
import { decisionFromProto, grantAskFromProto } from "./grants.ts";
import { grantsRequestOf, upItemsOfGrants, upItemsOfUsage, usageRequestOf } from "./up-items.ts";
import * as values from "./values.fixture.ts";
import { parsedWith, rememberingStatuses, throughBytes } from "./values.fixture.ts";

const { amounts, count, id } = values;
const returned: fc.Arbitrary<UpItem> = fc.record({
  type: fc.constant("returned" as const),
  allocationId: id,
  epoch: count,
  returnedTotal: amounts,
});
const asked: fc.Arbitrary<UpItem> = values.ask.map((ask) => ({ type: "ask", ask }));
const cancelled: fc.Arbitrary<UpItem> = id.map((requestId) => ({ type: "cancel", requestId }));
const marked: fc.Arbitrary<UpItem> = fc
  .record({
    type: fc.constant("mark" as const),
    clockMarkMs: values.clockMark,
    welcomeId: fc.option(id, { nil: undefined }),
  })
  .filter(({ clockMarkMs, welcomeId }) => clockMarkMs !== undefined || welcomeId !== undefined);
const reported: fc.Arbitrary<UpItem> = values.report.map((report) => ({ type: "usage", report }));
const maybeOne = fc.array(marked, { maxLength: 1 });
const several = <T>(items: fc.Arbitrary<T>) => fc.array(items, { maxLength: 4 });

describe("items of a link survive the two streams", () => {
  test("up, on StreamGrants", () => {
    const parts = fc.tuple(
      fc.option(values.hello),
      fc.boolean(),
      several(returned),
      several(asked),
      several(cancelled),
    );
    fc.assert(
      fc.property(parts, ([hello, more, returns, asks, cancels]) => {
        const items = [...returns, ...asks, ...cancels];
        const part = hello ? { hello, more } : undefined;
        const message = throughBytes(StreamGrantsRequestSchema, grantsRequestOf(items, part));
        expect(upItemsOfGrants(message)).toEqual({ ok: true, value: { hello: part, items, refused: [] } });
      }),
    );
  });

  test("up, on StreamUsage, where the hello goes without allocations", () => {
    fc.assert(
      fc.property(fc.option(values.hello, { nil: undefined }), maybeOne, several(reported), (hello, mark, reports) => {
        const items = [...mark, ...reports];
        const message = throughBytes(StreamUsageRequestSchema, usageRequestOf(items, hello));
        const told = hello && { hello: { ...hello, allocations: [] }, more: false };
        expect(upItemsOfUsage(message)).toEqual({ ok: true, value: { hello: told, items, refused: [] } });
      }),
    );
  });

  test("down, on StreamGrants", () => {
    const decision = fc.record({ type: fc.constant("decision" as const), requestId: id, answer: values.answer });
    const revision = fc
      .tuple(
        values.inherited,
        fc.record({
          type: fc.constant("revision" as const),
          allocationId: id,
          epoch: count,
          grantedTotal: amounts,
          deadlineLeftMs: fc.option(fc.nat(), { nil: undefined }),
        }),
      )
      .map(([from, one]) => ({ ...one, ...from }));
    const parts = fc.tuple(fc.option(values.welcome), fc.boolean(), several(decision), several(revision));
    fc.assert(
      fc.property(parts, ([welcome, more, decisions, revisions]) => {
        const statuses = rememberingStatuses();
        const items: DownItem[] = [...decisions, ...revisions];
        const part = welcome ? { welcome, more } : undefined;
        const message = throughBytes(StreamGrantsResponseSchema, grantsResponseOf(items, statuses, part));
        expect(downItemsOfGrants(message, statuses)).toEqual({ ok: true, value: { welcome: part, items } });
      }),
    );
  });

  test("down, on StreamUsage", () => {
    fc.assert(
      fc.property(several(values.ack), (acks) => {
        const statuses = rememberingStatuses();
        const items = acks.map((ack): DownItem => ({ type: "ack", ack }));
        const message = throughBytes(StreamUsageResponseSchema, usageResponseOf(items, statuses));
        expect(downItemsOfUsage(message, statuses)).toEqual({ ok: true, value: { welcome: undefined, items } });
      }),
    );
  });
});

const plain = { requestId: "r-1", parentAllocationId: "p-1", name: "step" };

function fieldsRefused(request: Parameters<typeof create<typeof GrantRequestSchema>>[1]): string[] {
  const message = create(GrantRequestSchema, request);
  const parsed = parsedWith((check) => grantAskFromProto(check, message));
  return parsed.ok ? [] : parsed.violations.map(({ field }) => field);
}

describe("a grant request", () => {
  test("asks for all or nothing of its limits unless it says otherwise", () => {
    const message = create(GrantRequestSchema, { ...plain, limits: { maxCredits: 10n, maxMemoryBytes: 5n } });
    expect(parsedWith((check) => grantAskFromProto(check, message))).toMatchObject({
      ok: true,
      value: { min: { credits: 10, toolCalls: 0, branches: 0, memoryBytes: 0 }, priority: "NORMAL", weight: 1 },
    });
  });

  test("may state requirements in place of limits", () => {
    const requirements = { minCredits: 3n, maxCredits: 10n, maxDurationMs: 500n };
    const message = create(GrantRequestSchema, { ...plain, requirements, deadlineLeftMs: 400n });
    expect(parsedWith((check) => grantAskFromProto(check, message))).toMatchObject({
      ok: true,
      value: {
        target: { type: "open", limits: { credits: 10, durationMs: 400 } },
        min: amountsOf({ credits: 3 as never }),
      },
    });
  });

  test.each([
    ["neither limits nor requirements", plain, ["limits"]],
    ["both", { ...plain, limits: {}, requirements: {} }, ["requirements"]],
    ["a least beside requirements", { ...plain, requirements: {}, minAmount: {} }, ["min_amount"]],
    [
      "a least above the wish, and of what is not divided",
      { ...plain, limits: { maxCredits: 5n }, minAmount: { credits: 6n, memoryBytes: 1n, concurrentBranches: 1n } },
      ["min_amount.credits", "min_amount.concurrent_branches", "min_amount.memory_bytes"],
    ],
    ["no target", { requestId: "r", limits: {} }, ["parent_allocation_id", "name"]],
    [
      "two targets",
      { requestId: "r", parentAllocationId: "p", allocationId: "a", limits: {} },
      ["parent_allocation_id"],
    ],
    ["an epoch for a new allocation", { ...plain, limits: {}, epoch: 1n }, ["epoch"]],
    ["a bad name", { ...plain, name: "Step One", limits: {} }, ["name"]],
    ["a long name", { ...plain, name: "a".repeat(64), limits: {} }, ["name"]],
    ["a bad request id", { ...plain, requestId: "r\n1", limits: {} }, ["request_id"]],
    ["a long request id", { ...plain, requestId: "r".repeat(129), limits: {} }, ["request_id"]],
    ["unknown names", { ...plain, limits: {}, kind: 77, priority: 77, strategy: 77 }, ["kind", "priority", "strategy"]],
    ["too much weight", { ...plain, limits: {}, weight: LIMITS.weightMax + 1 }, ["weight"]],
    ["a negative time", { ...plain, limits: {}, deadlineLeftMs: -1n }, ["deadline_left_ms"]],
    [
      "more of an open allocation, with what is fixed",
      {
        requestId: "r",
        allocationId: "a",
        epoch: 1n,
        name: "new",
        kind: 5,
        deadlineLeftMs: 1n,
        limits: { maxCredits: 9n, maxDurationMs: 1n, priorityBonus: 1n, emergencyReserve: 1n },
      },
      [
        "name",
        "kind",
        "deadline_left_ms",
        "limits.max_duration_ms",
        "limits.priority_bonus",
        "limits.emergency_reserve",
      ],
    ],
  ])("%s is refused by name", (_, request, fields) => {
    expect(fieldsRefused(request).sort()).toEqual([...fields].sort());
  });
});

describe("one wrong item of a message", () => {
  test("a request is denied by itself, the others are taken", () => {
    const good = { ...plain, limits: { maxCredits: 1n } };
    const bad = { ...plain, requestId: "r-2", limits: { maxCredits: -1n } };
    const parsed = upItemsOfGrants(create(StreamGrantsRequestSchema, { requests: [good, bad, good] }));
    expect(parsed.ok && parsed.value.items.length).toBe(2);
    expect(parsed.ok && parsed.value.refused).toMatchObject([
      {
        type: "decision",
        requestId: "r-2",
        answer: {
          type: "denied",
          error: {
            refusal: { reason: "INVALID_ARGUMENT", fieldViolations: [{ field: "requests[1].limits.max_credits" }] },
          },
        },
      },
    ]);
  });

  test("a report is refused by itself", () => {
    const good = { allocationId: "a", epoch: 1n, sequence: 4n, state: 1 };
    const parsed = upItemsOfUsage(create(StreamUsageRequestSchema, { reports: [good, { ...good, state: 9 }] }));
    expect(parsed.ok && parsed.value.items.length).toBe(1);
    expect(parsed.ok && parsed.value.refused).toMatchObject([
      { type: "ack", ack: { allocationId: "a", sequence: 4, error: { refusal: { reason: "INVALID_ARGUMENT" } } } },
    ]);
  });

  test("what cannot be answered spoils the message", () => {
    const nameless = upItemsOfGrants(create(StreamGrantsRequestSchema, { requests: [{ ...plain, requestId: "" }] }));
    expect(nameless.ok ? [] : nameless.violations.map(({ field }) => field)).toEqual([
      "requests[0].limits",
      "requests[0].request_id",
    ]);
    const returns = [{ allocationId: "a", epoch: 1n, returnedTotal: { credits: -1n } }];
    expect(upItemsOfGrants(create(StreamGrantsRequestSchema, { returns }))).toMatchObject({
      ok: false,
      violations: [{ field: "returns[0].returned_total.credits" }],
    });
    expect(upItemsOfGrants(create(StreamGrantsRequestSchema, { cancels: [{}] }))).toMatchObject({
      ok: false,
      violations: [{ field: "cancels[0].request_id", description: "is missing" }],
    });
    expect(upItemsOfUsage(create(StreamUsageRequestSchema, { reports: [{}] })).ok).toBe(false);
  });

  test("a message with too many items is refused whole", () => {
    const cancels = Array.from({ length: LIMITS.streamItemsMax + 1 }, () => ({ requestId: "r" }));
    expect(upItemsOfGrants(create(StreamGrantsRequestSchema, { cancels }))).toMatchObject({
      ok: false,
      violations: [{ field: "requests", description: expect.stringContaining("split it") }],
    });
  });

  test("of too many items none is looked at", () => {
    const allocations = Array.from({ length: LIMITS.streamItemsMax + 1 }, () => ({ allocationId: "a\n" }));
    const parsed = upItemsOfGrants(create(StreamGrantsRequestSchema, { hello: { tier: "process", allocations } }));
    expect(parsed.ok ? [] : parsed.violations.map(({ field }) => field)).toEqual([
      "hello.instance",
      "hello.incarnation",
      "hello.journal_id",
      "hello.address",
      "hello.allocations",
    ]);
    const reports = Array.from({ length: LIMITS.streamItemsMax + 1 }, () => ({}));
    expect(upItemsOfUsage(create(StreamUsageRequestSchema, { reports }))).toMatchObject({
      ok: false,
      violations: [{ field: "reports" }],
    });
  });

  test("marks and lives that no clock can show are refused by name", () => {
    const hello = { clockMarkMs: -1n, life: 2n ** 60n };
    const parsed = upItemsOfUsage(create(StreamUsageRequestSchema, { hello, clockMarkMs: -5n, welcomeId: "w\n" }));
    const fields = parsed.ok ? [] : parsed.violations.map(({ field }) => field);
    expect(fields).toEqual(
      expect.arrayContaining(["clock_mark_ms", "welcome_id", "hello.clock_mark_ms", "hello.life"]),
    );
  });

  test("a hello with wrong fields names them, and allocations belong to StreamGrants", () => {
    const hello = { tier: "clouds", address: "nowhere", allocations: [{ allocationId: "a" }] };
    const parsed = upItemsOfUsage(create(StreamUsageRequestSchema, { hello }));
    expect(parsed.ok ? [] : parsed.violations.map(({ field }) => field)).toEqual([
      "hello.tier",
      "hello.instance",
      "hello.incarnation",
      "hello.journal_id",
      "hello.address",
      "hello.allocations",
    ]);
  });
});

describe("a decision that says nothing", () => {
  test.each([
    ["granted, but not what", { requestId: "r", outcome: 1 }, "grant"],
    ["queued, but not where", { requestId: "r", outcome: 3 }, "outcome"],
    ["denied, but not why", { requestId: "r", outcome: 4 }, "outcome"],
    ["an outcome that only a newer peer knows", { requestId: "r", outcome: 9 }, "outcome"],
  ])("%s", (_, decision, field) => {
    const message = create(GrantDecisionSchema, decision);
    const parsed = parsedWith((check) => decisionFromProto(check, message, rememberingStatuses()));
    expect(parsed).toMatchObject({ ok: false, violations: [{ field }] });
  });
});
