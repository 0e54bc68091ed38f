/**
 * The bounded way of an ended span to the collector: the SDK's batch processor between a gate that counts what it turns
 * away and an exporter that counts what it loses. Every span that does not arrive is reported with a number; nothing
 * of it reaches the work that made the span.
 */
import { TraceFlags } from "@opentelemetry/api";
import { BatchSpanProcessor, type SpanExporter, type SpanProcessor } from "@opentelemetry/sdk-trace";
import type { TelemetrySettings } from "./settings.ts";

/** Called with what went wrong and how many spans are lost by it (0 for a warning). Must not throw. */
export type ExportErrorListener = (error: Error, lostSpans: number) => void;

export interface SpanQueueOptions {
  readonly exporter: SpanExporter;
  readonly settings: TelemetrySettings;
  readonly onExportError: ExportErrorListener;
}

/** A processor that holds at most `queueSpansMax` spans that have ended and are not yet in a request. */
export function createSpanQueue({ exporter, settings, onExportError }: SpanQueueOptions): SpanProcessor {
  let waiting = 0;
  let turnedAway = 0;

  function reportTurnedAway(): void {
    if (turnedAway === 0) return;
    const message = `${turnedAway} spans dropped: ${settings.queueSpansMax} were waiting for the collector`;
    onExportError(new Error(message), turnedAway);
    turnedAway = 0;
  }

  const counting: SpanExporter = {
    export: (spans, done) => {
      waiting -= spans.length;
      exporter.export(spans, (result) => {
        if (result.code !== 0) onExportError(result.error ?? new Error("span export failed"), spans.length);
        reportTurnedAway();
        // To the processor a lost batch is a finished one: a failed result would keep its shutdown from going on.
        done({ code: 0 });
      });
    },
    shutdown: () => exporter.shutdown(),
  };
  const batches = new BatchSpanProcessor({
    exporter: counting,
    maxQueueSize: settings.queueSpansMax,
    maxExportBatchSize: settings.batchSpansMax,
    scheduledDelayMillis: settings.batchDelayMs,
    exportTimeoutMillis: settings.exportTimeoutMs,
  });
  return {
    onStart: (span, context) => batches.onStart(span, context),
    onEnd: (span) => {
      if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0) return;
      if (waiting >= settings.queueSpansMax) {
        turnedAway += 1;
        return;
      }
      waiting += 1;
      batches.onEnd(span);
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown().finally(reportTurnedAway),
  };
}
