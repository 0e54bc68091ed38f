/**
 * Tracing that is on: our port over the OpenTelemetry SDK with one bounded batch queue and one OTLP exporter.
 * Loaded only when spans are exported. Nothing is registered globally except the SDK's diagnostic log; spans are
 * connected by the contexts handed over explicitly, never by what happens to be active.
 */
import {
  type Attributes,
  DiagLogLevel,
  diag,
  type Link,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import {
  defaultResource,
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { Clock, Span, SpanOptions, Telemetry, TraceContext } from "#ports";
import { LIMITS } from "#std";
import type { TelemetrySettings } from "./settings.ts";
import { createSpanQueue, type ExportErrorListener } from "./span-queue.ts";
import { formatTraceContext, parseTraceContext } from "./trace-context.ts";

export interface OpenTelemetryOptions {
  readonly serviceName: string;
  readonly settings: TelemetrySettings;
  readonly clock: Clock;
  readonly onExportError: ExportErrorListener;
}

const KINDS = { internal: SpanKind.INTERNAL, server: SpanKind.SERVER, client: SpanKind.CLIENT } as const;

function createSampler({ sampler, samplerRatio }: TelemetrySettings): Sampler {
  const root = sampler.endsWith("always_on")
    ? new AlwaysOnSampler()
    : sampler.endsWith("always_off")
      ? new AlwaysOffSampler()
      : new TraceIdRatioBasedSampler(samplerRatio);
  return sampler.startsWith("parentbased_") ? new ParentBasedSampler({ root }) : root;
}

/** What the SDK would only log (partial success, variables it cannot use) is reported as well. */
function reportDiagnostics(onExportError: ExportErrorListener): void {
  const report = (message: string, ...rest: unknown[]): void =>
    onExportError(new Error([message, ...rest].join(" ")), 0);
  const ignore = (): undefined => undefined;
  const logger = { error: report, warn: report, info: ignore, debug: ignore, verbose: ignore };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}

function createProvider({ serviceName, settings, onExportError }: OpenTelemetryOptions): TracerProvider {
  // Shutdown sends the whole queue at once: the exporter must take that many requests.
  const concurrencyLimit = Math.ceil(settings.queueSpansMax / settings.batchSpansMax) + 1;
  const exporter = new OTLPTraceExporter({ url: settings.url, concurrencyLimit });
  const named = resourceFromAttributes({ "service.name": serviceName, "process.pid": process.pid });
  return new TracerProvider({
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come last: what the operator says wins.
    resource: defaultResource()
      .merge(named)
      .merge(detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] })),
    sampler: createSampler(settings),
    spanProcessors: [createSpanQueue({ exporter, settings, onExportError })],
  });
}

function toLinks(links: readonly TraceContext[] | undefined): Link[] {
  return (links ?? []).flatMap((link) => {
    const context = parseTraceContext(link);
    return context === undefined ? [] : [{ context }];
  });
}

/** Resolves after `work` or after `limitMs`, whichever comes first; tells which. */
function within(clock: Clock, limitMs: number, work: Promise<void>): Promise<"done" | "late"> {
  const late = Promise.withResolvers<"late">();
  const cancel = clock.after(limitMs, () => late.resolve("late"));
  return Promise.race([work.then((): "done" => "done"), late.promise]).finally(cancel);
}

/** Starts exporting. Settings are complete and valid; see parseSettings. */
export function createOpenTelemetry(options: OpenTelemetryOptions): Telemetry {
  const { serviceName, clock, onExportError } = options;
  reportDiagnostics(onExportError);
  const provider = createProvider(options);
  const tracer = provider.getTracer(serviceName);

  function startSpan({ name, kind = "internal", parent, links, attributes }: SpanOptions): Span {
    const remote = parent === undefined ? undefined : parseTraceContext(parent);
    const context = remote === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, remote);
    const spanOptions = {
      kind: KINDS[kind],
      links: toLinks(links),
      ...(attributes && { attributes: attributes as Attributes }),
    };
    const span = tracer.startSpan(name, spanOptions, context);
    return {
      context: formatTraceContext(span.spanContext()),
      event: (eventName, eventAttributes) => void span.addEvent(eventName, eventAttributes),
      end: (ending) => {
        if (ending?.attributes) span.setAttributes(ending.attributes);
        if (ending?.error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: ending.error });
        span.end();
      },
    };
  }

  async function stop(): Promise<void> {
    try {
      const outcome = await within(clock, LIMITS.traceShutdownMs, provider.shutdown());
      if (outcome === "late")
        onExportError(new Error(`spans not sent within ${LIMITS.traceShutdownMs} ms of shutdown are lost`), 0);
    } catch (cause) {
      onExportError(new Error("the tracer did not shut down cleanly", { cause }), 0);
    }
  }

  let stopped: Promise<void> | undefined;
  return Object.freeze({
    enabled: true,
    startSpan,
    shutdown: () => {
      stopped ??= stop();
      return stopped;
    },
  });
}
