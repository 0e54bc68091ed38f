/** Chooses between tracing on and off by the standard OTEL_* variables, and loads the SDK only for the first. */
import type { Clock, Telemetry } from "#ports";
import { NO_TELEMETRY } from "./no-telemetry.ts";
import { type Environment, parseSettings } from "./settings.ts";
import type { ExportErrorListener } from "./span-queue.ts";

export interface TelemetryOptions {
  /** `service.name` of every span, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES gives another. */
  readonly serviceName: string;
  /** The environment of the process. Only OTEL_* is looked at. */
  readonly environment: Environment;
  /** Bounds shutdown. */
  readonly clock: Clock;
  /**
   * Told of variables that cannot be used, lost batches and dropped spans; must not throw. Without it they are lost in
   * silence. The SDK's own diagnostics are one per process: the telemetry created last hears them.
   */
  readonly onExportError?: ExportErrorListener;
}

/**
 * Tracing is on when OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set and neither
 * OTEL_SDK_DISABLED=true nor OTEL_TRACES_EXPORTER=none. Spans go out in batches as OTLP over http/protobuf.
 * A collector that is slow, absent or refuses costs spans, never work: nothing here throws or blocks.
 */
export async function createTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const { serviceName, environment, clock, onExportError = () => undefined } = options;
  const { settings, problems } = parseSettings(environment);
  for (const problem of problems) onExportError(new Error(problem), 0);
  if (settings === undefined) return NO_TELEMETRY;
  const { createOpenTelemetry } = await import("./open-telemetry.ts");
  return createOpenTelemetry({ serviceName, settings, clock, onExportError });
}
