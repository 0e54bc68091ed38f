import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { type Amount, amountsOf } from "#budget";
import { MeterAnswerSchema, MeterItemSchema } from "#gen/bursar/v1/meter_service_pb.js";
import { InvariantError, LIMITS } from "#std";
import { meterAnswerOf, parseMeterItem } from "./meter.ts";

type Operation = MessageInitShape<typeof MeterItemSchema>["operation"];

const parse = (operation: Operation) =>
  parseMeterItem(create(MeterItemSchema, { itemId: 1, operation: operation as never }));
const fieldsOf = (operation: Operation): string[] => {
  const parsed = parse(operation);
  return parsed.ok ? [] : parsed.violations.map(({ field }) => field);
};

const traceparent = "00-11111111111111111111111111111111-2222222222222222-01";
const place = { allocationId: "step-1" };
const reserve = { ...place, requestId: "r-1", kind: 1, name: "gpt-large", wanted: { credits: 100n, memoryBytes: 5n } };

describe("items become operations", () => {
  test("attach", () => {
    expect(parse({ case: "attach", value: { ...place, token: "secret" } })).toEqual({
      ok: true,
      value: { type: "attach", ...place, token: "secret" },
    });
  });

  test("reserve: without a least it is all or nothing, and it has the usual time to live", () => {
    const wanted = amountsOf({ credits: 100 as Amount, memoryBytes: 5 as Amount });
    expect(parse({ case: "reserve", value: { ...reserve, trace: { traceparent } } })).toEqual({
      ok: true,
      value: {
        type: "reserve",
        ...place,
        requestId: "r-1",
        what: "model",
        name: "gpt-large",
        wanted,
        min: wanted,
        ttlMs: LIMITS.holdTtlMs,
        trace: { traceparent },
      },
    });
  });

  test("reserve: a least is of what can be clamped; what is held is not", () => {
    const value = { ...reserve, minAmount: { credits: 10n }, ttlMs: 5 };
    expect(parse({ case: "reserve", value })).toMatchObject({
      ok: true,
      value: { min: { credits: 10, toolCalls: 0, memoryBytes: 5 }, ttlMs: 5, trace: undefined },
    });
  });

  test("extend, settle and release", () => {
    const hold = { ...place, holdId: "h-1" };
    expect(parse({ case: "extend", value: hold })).toEqual({
      ok: true,
      value: { type: "extend", ...hold, ttlMs: LIMITS.holdTtlMs },
    });
    const facts = {
      contextTokens: 1n,
      generatedTokens: 2n,
      networkBytes: 3n,
      diskBytes: 4n,
      gpuMs: 5n,
      memoryBytesPeak: 6n,
    };
    expect(parse({ case: "settle", value: { ...hold, credits: 7n, toolCalls: 1n, final: true, facts } })).toEqual({
      ok: true,
      value: {
        type: "settle",
        ...hold,
        credits: 7,
        toolCalls: 1,
        final: true,
        networkBytes: 3,
        diskBytes: 4,
        gpuMs: 5,
        memoryPeakBytes: 6,
        trace: undefined,
      },
    });
    expect(parse({ case: "settle", value: hold })).toMatchObject({
      ok: true,
      value: { credits: 0, final: false, networkBytes: 0, memoryPeakBytes: 0 },
    });
    expect(parse({ case: "release", value: hold })).toEqual({ ok: true, value: { type: "release", ...hold } });
  });

  test("complete: succeeded unless it says otherwise; long output and messages are cut", () => {
    expect(parse({ case: "complete", value: place })).toEqual({
      ok: true,
      value: { type: "complete", ...place, outcome: "succeeded", output: new Uint8Array(), message: "" },
    });
    const output = new Uint8Array(LIMITS.stepOutputBytesMax + 1).fill(7);
    const message = `${"x".repeat(LIMITS.reasonCharsMax - 1)}😀`;
    const parsed = parse({ case: "complete", value: { ...place, outcome: 3, output, message } });
    expect(parsed).toMatchObject({ ok: true, value: { outcome: "stopped" } });
    if (!parsed.ok || parsed.value.type !== "complete") throw new Error("expected a completion");
    expect(parsed.value.output.byteLength).toBe(LIMITS.stepOutputBytesMax);
    expect(parsed.value.message).toBe(`${"x".repeat(LIMITS.reasonCharsMax - 1)}\uFFFD`);
  });
});

describe("wrong items are refused by field", () => {
  test.each<[string, Operation, string[]]>([
    ["no operation", { case: undefined }, ["operation"]],
    ["attach", { case: "attach", value: {} }, ["attach.allocation_id", "attach.token"]],
    [
      "reserve",
      {
        case: "reserve",
        value: {
          wanted: { credits: -1n, concurrentBranches: 2n ** 60n },
          minAmount: { toolCalls: -1n },
          ttlMs: LIMITS.holdTtlMsMax + 1,
          name: "x".repeat(64),
        },
      },
      [
        "reserve.wanted.credits",
        "reserve.wanted.concurrent_branches",
        "reserve.request_id",
        "reserve.allocation_id",
        "reserve.kind",
        "reserve.name",
        "reserve.min_amount.tool_calls",
        "reserve.ttl_ms",
      ],
    ],
    [
      "a kind that only a newer peer knows",
      { case: "reserve", value: { ...reserve, kind: 9 as never } },
      ["reserve.kind"],
    ],
    [
      "extend",
      { case: "extend", value: { ttlMs: LIMITS.holdTtlMsMax + 1 } },
      ["extend.allocation_id", "extend.hold_id", "extend.ttl_ms"],
    ],
    [
      "settle",
      {
        case: "settle",
        value: { credits: -1n, toolCalls: -1n, facts: { contextTokens: -1n, generatedTokens: -1n, gpuMs: -1n } },
      },
      [
        "settle.facts.context_tokens",
        "settle.facts.generated_tokens",
        "settle.facts.gpu_ms",
        "settle.allocation_id",
        "settle.hold_id",
        "settle.credits",
        "settle.tool_calls",
      ],
    ],
    ["release", { case: "release", value: {} }, ["release.allocation_id", "release.hold_id"]],
    [
      "complete, with an outcome that is not a worker's to state",
      { case: "complete", value: { outcome: 4 } },
      ["complete.allocation_id", "complete.outcome"],
    ],
  ])("%s", (_, operation, fields) => {
    expect(fieldsOf(operation)).toEqual(fields);
  });

  test("one wrong item does not taint the next", () => {
    expect(fieldsOf({ case: "release", value: {} })).not.toEqual([]);
    expect(parse({ case: "release", value: { ...place, holdId: "h" } }).ok).toBe(true);
    expect(fieldsOf({ case: "release", value: place })).toEqual(["release.hold_id"]);
  });
});

describe("outcomes become answers", () => {
  const bytes = (result: ReturnType<typeof meterAnswerOf>) =>
    fromBinary(MeterAnswerSchema, toBinary(MeterAnswerSchema, create(MeterAnswerSchema, { itemId: 3, result }))).result;

  test("held, with the time that is left", () => {
    const granted = amountsOf({ credits: 40 as Amount });
    const outcome = {
      type: "held",
      holdId: "h-1",
      granted,
      clamped: true,
      expiresAtMs: 5_000,
      repeated: false,
    } as const;
    expect(bytes(meterAnswerOf(outcome, 2_000))).toMatchObject({
      case: "held",
      value: { holdId: "h-1", granted: { credits: 40n }, clamped: true, ttlMs: 3_000 },
    });
    expect(bytes(meterAnswerOf(outcome, 6_000))).toMatchObject({ case: "held", value: { ttlMs: 0 } });
  });

  test("settled and done", () => {
    const cost = { credits: 12 as Amount, toolCalls: 1 as Amount, overrun: 2 as Amount };
    const outcome = { type: "settled", holdId: "h-1", ...cost, late: true, ended: true } as const;
    expect(bytes(meterAnswerOf(outcome, 0))).toMatchObject({
      case: "settled",
      value: { holdId: "h-1", credits: 12n, toolCalls: 1n, overrunCredits: 2n, late: true },
    });
    expect(bytes(meterAnswerOf({ type: "done", changed: true }, 0))).toMatchObject({ case: "done" });
  });

  test("an outcome that no item has is a defect", () => {
    const outcome = { type: "refused", refusal: { code: "not_permitted", message: "no" } } as const;
    expect(() => meterAnswerOf(outcome, 0)).toThrow(InvariantError);
  });
});
