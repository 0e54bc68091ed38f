/** The only room that sets OpenTelemetry up; everyone else knows the port. */
export { createTelemetry, type TelemetryOptions } from "./create-telemetry.ts";
export { NO_TELEMETRY } from "./no-telemetry.ts";
export type { Environment } from "./settings.ts";
export type { ExportErrorListener } from "./span-queue.ts";
