/** Spans of usage reports: one per report that tells something new, under the trace of the work it speaks of, from sending to answer. */
import type { Span, Telemetry, TraceContext, UsageItem } from "#ports";

export interface Tracing {
  readonly telemetry: Telemetry;
  /** Trace of the work in an allocation. */
  readonly traceOf: (allocationId: string) => TraceContext | undefined;
}

export class ReportSpans {
  readonly #tracing: Tracing | undefined;
  readonly #open = new Map<string, { readonly span: Span; readonly sequence: number }>();
  readonly #told = new Map<string, number>();

  constructor(tracing: Tracing | undefined) {
    this.#tracing = tracing?.telemetry.enabled ? tracing : undefined;
  }

  /** The report with the context of its span, where it is traced and tells something new. */
  begin(report: UsageItem): UsageItem {
    const { allocationId, sequence, final } = report;
    const parent = this.#tracing?.traceOf(allocationId);
    if (!this.#tracing || !parent || (!final && this.#told.get(allocationId) === sequence)) return report;
    this.#told.set(allocationId, sequence);
    const attributes = {
      "bursar.allocation_id": allocationId,
      "bursar.credits": report.usage.credits,
      "bursar.final": final,
    };
    const span = this.#tracing.telemetry.startSpan({ name: "bursar.report", kind: "client", parent, attributes });
    this.#open.set(allocationId, { span, sequence });
    return { ...report, trace: span.context };
  }

  /** The report was answered. */
  end(allocationId: string, options: { readonly final: boolean; readonly error?: string }): void {
    this.#open.get(allocationId)?.span.end(options.error === undefined ? {} : { error: options.error });
    this.#open.delete(allocationId);
    if (options.final) this.#told.delete(allocationId);
  }

  /** The link is gone; what was under way is sent again, under new spans. */
  reset(): void {
    for (const { span } of this.#open.values()) span.end({ error: "the connection to the tier above was lost" });
    this.#open.clear();
    this.#told.clear();
  }
}
