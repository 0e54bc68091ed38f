/** W3C trace context in request headers: read from strangers with suspicion, written as it was given. */
import type { TraceContext } from "#ports";

export const TRACEPARENT_HEADER = "traceparent";
export const TRACESTATE_HEADER = "tracestate";

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const TRACESTATE_CHARS_MAX = 512;

/** The trace context in these headers; undefined when there is none or it is malformed, as the standard asks. */
export function readTraceContext(header: (name: string) => string | undefined): TraceContext | undefined {
  const traceparent = header(TRACEPARENT_HEADER);
  if (traceparent === undefined || !TRACEPARENT.test(traceparent)) return undefined;
  const tracestate = header(TRACESTATE_HEADER);
  if (tracestate === undefined || tracestate.length > TRACESTATE_CHARS_MAX) return { traceparent };
  return { traceparent, tracestate };
}
