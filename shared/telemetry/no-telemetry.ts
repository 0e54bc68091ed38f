/** Tracing that is off: the caller's context goes on unchanged, so that a trace begun elsewhere is not cut here. */
import type { Span, SpanOptions, Telemetry, TraceContext } from "#ports";

const nothing = (): void => undefined;

function silentSpan(context: TraceContext | undefined): Span {
  return { context, event: nothing, end: nothing };
}

const ROOTLESS = silentSpan(undefined);

/** Loads nothing, keeps nothing, sends nothing. */
export const NO_TELEMETRY: Telemetry = Object.freeze({
  enabled: false,
  startSpan: ({ parent }: SpanOptions): Span => (parent === undefined ? ROOTLESS : silentSpan(parent)),
  shutdown: () => Promise.resolve(),
});
