/** Trace context of one item. A malformed one reads as absent, as the W3C recommendation asks; it never fails the item. */
import type { TraceContext as TraceContextMessage } from "#gen/bursar/v1/allocation_pb.js";
import type { TraceContext } from "#ports";
import { LIMITS } from "#std";

/** Version, trace id, parent id, flags; versions after 00 may append more. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/;

export function traceToProto(trace: TraceContext | undefined): TraceContextMessage | undefined {
  if (trace === undefined) return undefined;
  const { traceparent, tracestate = "" } = trace;
  return { $typeName: "bursar.v1.TraceContext", traceparent, tracestate };
}

export function traceFromProto(message: TraceContextMessage | undefined): TraceContext | undefined {
  if (message === undefined || message.traceparent === "") return undefined;
  const { traceparent, tracestate } = message;
  if (traceparent.length > LIMITS.traceparentCharsMax || !TRACEPARENT.test(traceparent)) return undefined;
  if (tracestate === "" || tracestate.length > LIMITS.tracestateCharsMax) return { traceparent };
  return { traceparent, tracestate };
}
