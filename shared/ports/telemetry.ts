/** Tracing as the tiers see it. One implementation exports by OpenTelemetry, one does nothing and costs nothing. */

/** W3C trace context of one item; absent when the caller does not trace. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
}

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** A span that has begun. `context` goes to whatever is caused by it. */
export interface Span {
  /** Context for children; the parent's own context when tracing is off, undefined when there is none. */
  readonly context: TraceContext | undefined;
  /** A named moment within the span (a decision, a refusal). */
  event(name: string, attributes?: SpanAttributes): void;
  /** Ends the span; `error` marks it failed with this message. */
  end(options?: { readonly attributes?: SpanAttributes; readonly error?: string }): void;
}

export interface SpanOptions {
  readonly name: string;
  readonly kind?: "internal" | "server" | "client";
  readonly parent?: TraceContext | undefined;
  /** Other traces whose work this span carries (batched work). */
  readonly links?: readonly TraceContext[];
  readonly attributes?: SpanAttributes;
}

export interface Telemetry {
  /** False when nothing is exported: callers may skip preparing attributes. */
  readonly enabled: boolean;
  startSpan(options: SpanOptions): Span;
  /** Sends what is buffered and stops; bounded in time by the implementation. */
  shutdown(): Promise<void>;
}
