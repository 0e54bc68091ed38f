/**
 * W3C trace context in both directions: the strings on our items, the span contexts of the SDK.
 * A malformed `traceparent` is treated as absent, as the recommendation demands; it never fails the item that carried it.
 */
import { createTraceState, INVALID_SPANID, INVALID_TRACEID, type SpanContext } from "@opentelemetry/api";
import type { TraceContext } from "#ports";

// Versions after 00 may append fields; version 00 may not, and ff is forbidden.
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** The remote parent that `context` names, or undefined when it names none. */
export function parseTraceContext(context: TraceContext): SpanContext | undefined {
  const match = TRACEPARENT.exec(context.traceparent);
  if (match === null) return undefined;
  const [, version, traceId = "", spanId = "", flags = "", rest] = match;
  if (version === "00" && rest !== undefined) return undefined;
  if (traceId === INVALID_TRACEID || spanId === INVALID_SPANID) return undefined;
  const parent: SpanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return context.tracestate ? { ...parent, traceState: createTraceState(context.tracestate) } : parent;
}

/** What travels with an item that `span` caused. */
export function formatTraceContext(span: SpanContext): TraceContext {
  const flags = (span.traceFlags & 0xff).toString(16).padStart(2, "0");
  const traceparent = `00-${span.traceId}-${span.spanId}-${flags}`;
  const tracestate = span.traceState?.serialize();
  return tracestate ? { traceparent, tracestate } : { traceparent };
}
