/**
 * The standard OTEL_* variables that decide whether and how spans are exported, parsed once into a frozen value.
 * A variable that cannot be used is reported and its default taken: tracing never keeps a daemon from starting.
 * Endpoint headers, timeout, compression, certificates, span limits of the wire and resource attributes are read by the
 * SDK itself, from the environment of the process.
 */
import { LIMITS } from "#std";

export type Environment = Readonly<Record<string, string | undefined>>;

export type SamplerName =
  | "always_on"
  | "always_off"
  | "traceidratio"
  | "parentbased_always_on"
  | "parentbased_always_off"
  | "parentbased_traceidratio";

export interface TelemetrySettings {
  /** Where to POST: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, or OTEL_EXPORTER_OTLP_ENDPOINT with `v1/traces` appended. */
  readonly url: string;
  /** OTEL_TRACES_SAMPLER; default parentbased_always_on. */
  readonly sampler: SamplerName;
  /** OTEL_TRACES_SAMPLER_ARG, 0 … 1; default 1. Only the ratio samplers use it. */
  readonly samplerRatio: number;
  /** OTEL_BSP_MAX_QUEUE_SIZE: ended spans waiting; beyond it spans are dropped. */
  readonly queueSpansMax: number;
  /** OTEL_BSP_MAX_EXPORT_BATCH_SIZE: spans in one request, at most `queueSpansMax`. */
  readonly batchSpansMax: number;
  /** OTEL_BSP_SCHEDULE_DELAY: longest wait of an ended span before it is sent. */
  readonly batchDelayMs: number;
  /** OTEL_BSP_EXPORT_TIMEOUT: longest time for one request with its retries. */
  readonly exportTimeoutMs: number;
}

export interface ParsedSettings {
  /** Undefined when nothing is to be exported. */
  readonly settings: TelemetrySettings | undefined;
  /** One line per variable that could not be used, with what was done instead. */
  readonly problems: readonly string[];
}

const SAMPLERS: ReadonlySet<string> = new Set<SamplerName>([
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
]);
const DEFAULT_SAMPLER: SamplerName = "parentbased_always_on";

function isSamplerName(name: string): name is SamplerName {
  return SAMPLERS.has(name);
}

/** Empty means unset, as the OpenTelemetry specification demands. */
function read(environment: Environment, name: string): string | undefined {
  return environment[name]?.trim() || undefined;
}

function parseUrl(environment: Environment, problems: string[]): string | undefined {
  const specific = read(environment, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
  const general = read(environment, "OTEL_EXPORTER_OTLP_ENDPOINT");
  const name = specific === undefined ? "OTEL_EXPORTER_OTLP_ENDPOINT" : "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
  const text = specific ?? general;
  if (text === undefined) return undefined;
  const full = specific ?? `${text.replace(/\/$/, "")}/v1/traces`;
  const url = URL.parse(full);
  if (url !== null && (url.protocol === "http:" || url.protocol === "https:")) return url.href;
  problems.push(
    `${name}: "${text}" is not an http or https URL (example: http://localhost:4318); spans are not exported`,
  );
  return undefined;
}

function parseSampler(
  environment: Environment,
  problems: string[],
): Pick<TelemetrySettings, "sampler" | "samplerRatio"> {
  const name = read(environment, "OTEL_TRACES_SAMPLER")?.toLowerCase() ?? DEFAULT_SAMPLER;
  if (!isSamplerName(name)) {
    const known = [...SAMPLERS].join(", ");
    problems.push(`OTEL_TRACES_SAMPLER: "${name}" is not one of ${known}; using ${DEFAULT_SAMPLER}`);
    return { sampler: DEFAULT_SAMPLER, samplerRatio: 1 };
  }
  const text = read(environment, "OTEL_TRACES_SAMPLER_ARG");
  if (text === undefined || !name.endsWith("traceidratio")) return { sampler: name, samplerRatio: 1 };
  const ratio = Number(text);
  if (ratio >= 0 && ratio <= 1) return { sampler: name, samplerRatio: ratio };
  problems.push(`OTEL_TRACES_SAMPLER_ARG: "${text}" is not a number from 0 to 1; using 1`);
  return { sampler: name, samplerRatio: 1 };
}

function parseCount(environment: Environment, problems: string[], name: string, fallback: number): number {
  const text = read(environment, name);
  if (text === undefined) return fallback;
  const count = Number(text);
  if (Number.isSafeInteger(count) && count > 0) return count;
  problems.push(`${name}: "${text}" is not a positive whole number; using ${fallback}`);
  return fallback;
}

/** True when the environment asks for OTLP spans at all; looks at nothing but the switches. */
function wantsSpans(environment: Environment, problems: string[]): boolean {
  if (read(environment, "OTEL_SDK_DISABLED")?.toLowerCase() === "true") return false;
  const exporters = read(environment, "OTEL_TRACES_EXPORTER")?.toLowerCase().split(",") ?? ["otlp"];
  const names = exporters.map((name) => name.trim());
  const unknown = names.filter((name) => name !== "otlp" && name !== "none");
  if (unknown.length > 0) {
    problems.push(`OTEL_TRACES_EXPORTER: ${unknown.join(", ")} is not supported, only otlp and none; it is ignored`);
  }
  return names.includes("otlp");
}

/** Reads the switches and, when spans are wanted, everything else. Never throws. */
export function parseSettings(environment: Environment): ParsedSettings {
  const problems: string[] = [];
  const url = wantsSpans(environment, problems) ? parseUrl(environment, problems) : undefined;
  if (url === undefined) return { settings: undefined, problems };
  const protocol =
    read(environment, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") ?? read(environment, "OTEL_EXPORTER_OTLP_PROTOCOL");
  if (protocol !== undefined && protocol !== "http/protobuf") {
    problems.push(`OTEL_EXPORTER_OTLP_PROTOCOL: "${protocol}" is not supported; using http/protobuf`);
  }
  const count = (name: string, fallback: number) => parseCount(environment, problems, name, fallback);
  const queueSpansMax = count("OTEL_BSP_MAX_QUEUE_SIZE", LIMITS.traceQueueSpansMax);
  const settings: TelemetrySettings = Object.freeze({
    url,
    ...parseSampler(environment, problems),
    queueSpansMax,
    batchSpansMax: Math.min(queueSpansMax, count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", LIMITS.traceBatchSpansMax)),
    batchDelayMs: count("OTEL_BSP_SCHEDULE_DELAY", LIMITS.traceBatchDelayMs),
    exportTimeoutMs: count("OTEL_BSP_EXPORT_TIMEOUT", LIMITS.traceExportTimeoutMs),
  });
  return { settings, problems };
}
