import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyIs, anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import {
  ERROR_CATEGORIES,
  EXECUTION_ERROR_TYPES,
  type ExecutionError,
  executionError,
  FaultError,
  grpcStatusOf,
  invalidArgument,
  REFUSAL_REASONS,
  RefusalError,
  refusal,
  refusalStatus,
  SEVERITIES,
} from "#errors";
import {
  ExecutionErrorCategory,
  ExecutionErrorSchema,
  ExecutionErrorSeverity,
  ExecutionErrorType,
} from "#gen/bursar/v1/errors_pb.js";
import { ErrorInfoSchema, QuotaFailureSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "#gen/google/rpc/status_pb.js";
import { LIMITS } from "#std";
import { encodeStatusDetails, fromStatusMessage, fromWireStatus, toStatusMessage, toWireStatus } from "./error-map.ts";
import { fromExecutionErrorMessage, toExecutionErrorMessage } from "./execution-error-message.ts";
import { TransportError } from "./transport-error.ts";

const FULL: ExecutionError = executionError({
  id: "e-1",
  type: "QUOTA_EXCEEDED",
  reach: "several",
  message: "the search tool allows 10 calls a minute",
  tier: "execution",
  allocationPath: "swarm/run/step",
  ancestor: "run",
  resource: "tool_calls",
  holders: ["step-2", "step-3"],
  retryAfterMs: 1_500,
  cause: "429 Too Many Requests",
  traceId: "0af7651916cd43dd8448eb211c80319c",
  fieldViolations: [{ field: "limits.max_credits", description: "must not be negative" }],
  conflict: "TOOL_LIMIT_REACHED",
});

/** There and back as trailers of a call. */
function throughTrailers(error: unknown) {
  const status = toWireStatus(error);
  const details = encodeStatusDetails(status);
  return fromWireStatus({ code: status.code, message: status.message, ...(details === undefined ? {} : { details }) });
}

describe("an execution error", () => {
  test("goes through trailers and through a stream's answer unchanged", () => {
    const received = throughTrailers(new FaultError(FULL));
    expect(received).toBeInstanceOf(FaultError);
    expect((received as FaultError).error).toEqual(FULL);
    expect(fromStatusMessage(toStatusMessage(new FaultError(FULL)))).toEqual(received);
  });

  test.each(EXECUTION_ERROR_TYPES)("%s has its status, reason and enum value", (type) => {
    const error = executionError({ id: "e-2", type, reach: "one", message: "m" });
    const status = toWireStatus(new FaultError(error));
    expect(status).toMatchObject({ code: grpcStatusOf(type, false), unexpected: false });
    const info = status.details.map((detail) => anyUnpack(detail, ErrorInfoSchema)).find(Boolean);
    expect(info).toMatchObject({ reason: type, domain: "bursar.dev" });
    expect((throughTrailers(new FaultError(error)) as FaultError).error).toEqual(error);
  });

  test("says the same in the standard details", () => {
    const { details } = toWireStatus(new FaultError(FULL));
    const retry = details.map((detail) => anyUnpack(detail, RetryInfoSchema)).find(Boolean);
    expect(retry?.retryDelay && durationMs(retry.retryDelay)).toBe(1_500);
    const quota = details.map((detail) => anyUnpack(detail, QuotaFailureSchema)).find(Boolean);
    expect(quota?.violations).toMatchObject([{ subject: "tool_calls" }]);
  });

  test("of a newer version reads as a failure to communicate", () => {
    const message = { ...toExecutionErrorMessage(FULL), type: 99, severity: 99, tier: "moon" };
    expect(fromExecutionErrorMessage(message)).toMatchObject({ type: "COMMUNICATION_FAILURE", severity: "ERROR" });
    expect(fromExecutionErrorMessage(message)).not.toHaveProperty("tier");
  });

  test("due at once stays retryable", () => {
    expect(toExecutionErrorMessage({ ...FULL, retryAfterMs: 0 }).retryAfterMs).toBe(1);
  });
});

test("the contract's enums and the tables name the same things", () => {
  const names = (proto: object): string[] =>
    Object.keys(proto).filter((key) => /^[A-Z]/.test(key) && key !== "UNSPECIFIED");
  expect(names(ExecutionErrorType)).toEqual([...EXECUTION_ERROR_TYPES]);
  expect(names(ExecutionErrorSeverity)).toEqual([...SEVERITIES]);
  expect(names(ExecutionErrorCategory)).toEqual([...ERROR_CATEGORIES]);
});

describe("a refusal", () => {
  test.each(REFUSAL_REASONS)("%s goes there and back", (reason) => {
    const thrown = new RefusalError({ reason, message: "m", retryAfterMs: 250 });
    expect(toWireStatus(thrown)).toMatchObject({ code: refusalStatus(reason), unexpected: false });
    expect((throughTrailers(thrown) as RefusalError).refusal).toEqual(thrown.refusal);
  });

  test("keeps its violations and the current epoch", () => {
    const violated = invalidArgument([{ field: "name", description: "must not be empty" }]);
    expect((throughTrailers(new RefusalError(violated)) as RefusalError).refusal).toEqual(violated);
    const stale = refusal({ reason: "STALE_EPOCH", message: "epoch 3 is over", currentEpoch: 4 });
    expect((throughTrailers(new RefusalError(stale)) as RefusalError).refusal).toEqual(stale);
  });

  test("carries no execution error: nothing ran", () => {
    const { details } = toWireStatus(new RefusalError({ reason: "NOT_FOUND", message: "m" }));
    expect(details.some((detail) => anyIs(detail, ExecutionErrorSchema))).toBe(false);
  });
});

describe("anything else", () => {
  test("is INTERNAL and tells nothing", () => {
    for (const error of [new Error("secret"), "secret", undefined, new TransportError("UNAVAILABLE", "secret")]) {
      const status = toWireStatus(error);
      expect(status).toMatchObject({ code: 13, details: [], unexpected: true });
      expect(status.message).not.toContain("secret");
    }
  });

  test("arrives as a TransportError, whatever a broken peer wrote beside it", () => {
    const details = new Uint8Array([0xff, 0xff]);
    expect(fromWireStatus({ code: 14, message: "gone", details })).toEqual(new TransportError("UNAVAILABLE", "gone"));
    const foreign = create(StatusSchema, {
      details: [
        { typeUrl: "type.googleapis.com/google.rpc.ErrorInfo", value: new Uint8Array([0xff]) },
        { typeUrl: "type.googleapis.com/bursar.v1.ExecutionError", value: new Uint8Array([0xff]) },
      ],
    });
    const received = fromWireStatus({ code: 8, message: "full", details: toBinary(StatusSchema, foreign) });
    expect(received).toEqual(new TransportError("RESOURCE_EXHAUSTED", "full"));
  });

  test("details too large for trailers shrink to the reason", () => {
    const description = "d".repeat(2_000);
    const violations = Array.from({ length: 32 }, (_, index) => ({ field: `f${index}`, description }));
    const status = toWireStatus(new RefusalError(invalidArgument(violations)));
    const bytes = encodeStatusDetails(status) ?? new Uint8Array();
    expect(bytes.byteLength).toBeLessThan(LIMITS.errorDetailBytesMax);
    expect(fromBinary(StatusSchema, bytes).details).toHaveLength(1);
    expect(fromWireStatus({ code: status.code, message: status.message, details: bytes })).toMatchObject({
      refusal: { reason: "INVALID_ARGUMENT" },
    });
  });
});
