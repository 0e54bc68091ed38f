import { describe, expect, test } from "vitest";
import { readTraceContext } from "./trace-context.ts";

const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const read = (headers: Readonly<Record<string, string>>) => readTraceContext((name) => headers[name]);

describe("trace context", () => {
  test("is read with and without tracestate", () => {
    expect(read({ traceparent: TRACEPARENT })).toEqual({ traceparent: TRACEPARENT });
    expect(read({ traceparent: TRACEPARENT, tracestate: "a=1" })).toEqual({
      traceparent: TRACEPARENT,
      tracestate: "a=1",
    });
    expect(read({ traceparent: TRACEPARENT, tracestate: "a".repeat(513) })).toEqual({ traceparent: TRACEPARENT });
  });

  test.each([
    {},
    { tracestate: "a=1" },
    { traceparent: "" },
    { traceparent: TRACEPARENT.toUpperCase() },
    { traceparent: `${TRACEPARENT}-00` },
    { traceparent: TRACEPARENT.replace("00-", "ff-") },
    { traceparent: `00-${"0".repeat(32)}-b7ad6b7169203331-01` },
    { traceparent: `00-0af7651916cd43dd8448eb211c80319c-${"0".repeat(16)}-01` },
  ])("%j is no trace context", (headers) => {
    expect(read(headers)).toBeUndefined();
  });
});
