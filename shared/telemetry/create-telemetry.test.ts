import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectedTraces, isOneTrace, type OtlpReceiver, startOtlpReceiver } from "../../test/e2e/otlp-receiver.ts";
import { systemClock } from "../tier/system-clock.ts";
import { createTelemetry } from "./create-telemetry.ts";
import { NO_TELEMETRY } from "./no-telemetry.ts";
import type { Environment } from "./settings.ts";

const REMOTE = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate: "vendor=1" };
const UNSAMPLED = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00" };

let receiver: OtlpReceiver;
let errors: { message: string; lostSpans: number }[];

beforeEach(async () => {
  receiver = await startOtlpReceiver();
  errors = [];
});
afterEach(() => receiver.close());

function tracing(environment: Environment, serviceName = "coordination") {
  const onExportError = (error: Error, lostSpans: number) => errors.push({ message: error.message, lostSpans });
  return createTelemetry({ serviceName, environment, clock: systemClock, onExportError });
}

const exporting = (more: Environment = {}): Environment => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
  ...more,
});

describe("tracing that is on", () => {
  it("connects the spans of several services over the context that travels between them", async () => {
    const tiers = await Promise.all(["coordination", "process", "execution"].map((name) => tracing(exporting(), name)));
    const [coordination, process, execution] = tiers;
    const run = coordination?.startSpan({
      name: "run",
      kind: "server",
      attributes: { swarm: "s1", slots: 3, dry: false },
    });
    const split = process?.startSpan({ name: "split", parent: run?.context });
    const settle = execution?.startSpan({ name: "settle", kind: "client", parent: split?.context });
    settle?.event("refused", { resource: "credits" });
    settle?.end({ error: "not enough credits", attributes: { credits: 12 } });
    split?.end();
    run?.end();
    await Promise.all(tiers.map((tier) => tier.shutdown()));

    const spans = await receiver.until((received) => received.length === 3);
    expect(isOneTrace(spans)).toBe(true);
    expect(connectedTraces(spans)[0]?.services).toEqual(["coordination", "execution", "process"]);
    const named = (name: string) => spans.find((span) => span.name === name);
    expect(named("run")).toMatchObject({
      parentSpanId: "",
      kind: "server",
      attributes: { swarm: "s1", slots: 3, dry: false },
    });
    expect(named("split")?.parentSpanId).toBe(named("run")?.spanId);
    expect(named("settle")).toMatchObject({
      parentSpanId: named("split")?.spanId,
      kind: "client",
      service: "execution",
      attributes: { credits: 12 },
      events: [{ name: "refused", attributes: { resource: "credits" } }],
      status: { code: "error", message: "not enough credits" },
    });
    expect(errors).toEqual([]);
  });

  it("continues a trace begun by the caller and hands its tracestate on", async () => {
    const telemetry = await tracing(exporting());
    const span = telemetry.startSpan({ name: "grant", parent: REMOTE });
    expect(span.context?.traceparent).toMatch(
      /^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/,
    );
    expect(span.context?.tracestate).toBe("vendor=1");
    span.end();
    await telemetry.shutdown();
    expect(receiver.spans[0]).toMatchObject({
      traceId: "0af7651916cd43dd8448eb211c80319c",
      parentSpanId: "b7ad6b7169203331",
    });
  });

  it("links the traces whose work a span carries", async () => {
    const telemetry = await tracing(exporting());
    telemetry.startSpan({ name: "batch", links: [REMOTE, { traceparent: "nonsense" }] }).end();
    await telemetry.shutdown();
    expect(receiver.spans[0]?.links).toEqual([
      { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" },
    ]);
  });

  it.each([
    "",
    "nonsense",
    "00-00000000000000000000000000000000-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
    "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
  ])("begins a new trace when the caller's traceparent is %j", async (traceparent) => {
    const telemetry = await tracing(exporting());
    telemetry.startSpan({ name: "grant", parent: { traceparent } }).end();
    await telemetry.shutdown();
    expect(receiver.spans).toHaveLength(1);
    expect(receiver.spans[0]?.parentSpanId).toBe("");
    expect(receiver.spans[0]?.traceId).not.toBe("0af7651916cd43dd8448eb211c80319c");
  });

  it("does not export what the caller chose not to sample, and says so to whoever comes next", async () => {
    const telemetry = await tracing(exporting());
    const span = telemetry.startSpan({ name: "grant", parent: UNSAMPLED });
    expect(span.context?.traceparent).toMatch(/-00$/);
    span.end();
    telemetry.startSpan({ name: "own" }).end();
    await telemetry.shutdown();
    expect(receiver.spans.map(({ name }) => name)).toEqual(["own"]);
  });

  it.each([
    ["always_off", undefined, []],
    ["parentbased_always_off", undefined, ["child"]],
    ["parentbased_traceidratio", "0", ["child"]],
    ["traceidratio", "1", ["child", "root"]],
  ])("samples by OTEL_TRACES_SAMPLER=%s with argument %s", async (sampler, ratio, expected) => {
    const telemetry = await tracing(exporting({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: ratio }));
    telemetry.startSpan({ name: "child", parent: REMOTE }).end();
    telemetry.startSpan({ name: "root" }).end();
    await telemetry.shutdown();
    expect(receiver.spans.map(({ name }) => name).sort()).toEqual(expected);
    expect(errors).toEqual([]);
  });

  it("sends to OTEL_EXPORTER_OTLP_TRACES_ENDPOINT as it stands", async () => {
    const telemetry = await tracing({
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.endpoint}/v1/traces`,
    });
    telemetry.startSpan({ name: "grant" }).end();
    await telemetry.shutdown();
    expect(receiver.spans).toHaveLength(1);
  });

  it("drops spans beyond its queue and reports it, instead of growing", async () => {
    const telemetry = await tracing(exporting({ OTEL_BSP_MAX_QUEUE_SIZE: "10", OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "5" }));
    for (let count = 0; count < 1000; count += 1) telemetry.startSpan({ name: "burst" }).end();
    await telemetry.shutdown();
    expect(receiver.spans.length).toBeLessThanOrEqual(20);
    expect(errors.reduce((sum, { lostSpans }) => sum + lostSpans, receiver.spans.length)).toBe(1000);
    expect(errors[0]?.message).toMatch(/spans dropped: 10 were waiting/);
  });
});

describe("a collector in trouble", () => {
  it("costs the spans, is reported with their number, and breaks nothing", async () => {
    receiver.answerWith(400);
    const telemetry = await tracing(exporting());
    telemetry.startSpan({ name: "a" }).end();
    telemetry.startSpan({ name: "b" }).end();
    await telemetry.shutdown();
    expect(receiver.requests).toHaveLength(1);
    expect(errors.map(({ lostSpans }) => lostSpans)).toEqual([2]);
  });

  it("that does not answer cannot hold up shutdown", async () => {
    receiver.answerWith(0);
    const telemetry = await tracing(exporting());
    telemetry.startSpan({ name: "a" }).end();
    await telemetry.shutdown();
    expect(errors.map(({ message }) => message).join()).toMatch(/not sent within \d+ ms/);
  });

  it("may be shut down twice", async () => {
    const telemetry = await tracing(exporting());
    expect(telemetry.shutdown()).toBe(telemetry.shutdown());
    await telemetry.shutdown();
    telemetry.startSpan({ name: "too late" }).end();
    expect(receiver.spans).toEqual([]);
  });
});

describe("tracing that is off", () => {
  it.each<[string, Environment]>([
    ["no endpoint", {}],
    ["an empty endpoint", { OTEL_EXPORTER_OTLP_ENDPOINT: " " }],
    ["OTEL_SDK_DISABLED", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_SDK_DISABLED: "TRUE" }],
    ["OTEL_TRACES_EXPORTER=none", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_TRACES_EXPORTER: "none" }],
  ])("with %s", async (_name, environment) => {
    expect(await tracing(environment)).toBe(NO_TELEMETRY);
    expect(errors).toEqual([]);
  });

  it("passes the caller's context through unchanged", async () => {
    const telemetry = await tracing({});
    expect(telemetry.enabled).toBe(false);
    const span = telemetry.startSpan({ name: "grant", parent: REMOTE });
    span.event("decided");
    span.end({ error: "refused" });
    expect(span.context).toBe(REMOTE);
    expect(telemetry.startSpan({ name: "grant" }).context).toBeUndefined();
    await telemetry.shutdown();
  });

  it("loads nothing of the SDK", () => {
    const script = `
      const { createTelemetry } = await import(${JSON.stringify(new URL("./index.ts", import.meta.url).href)});
      await createTelemetry({ serviceName: "x", environment: {}, clock: {} });
      const { Session } = await import("node:inspector/promises");
      const session = new Session();
      session.connect();
      const urls = [];
      session.on("Debugger.scriptParsed", ({ params }) => urls.push(params.url));
      await session.post("Debugger.enable");
      console.log(JSON.stringify(urls.filter((url) => url.startsWith("file:"))));`;
    const child = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    expect(child.stderr).toBe("");
    const loaded: string[] = JSON.parse(child.stdout);
    expect(loaded.some((url) => url.endsWith("create-telemetry.ts"))).toBe(true);
    expect(loaded.filter((url) => url.includes("opentelemetry") || url.endsWith("open-telemetry.ts"))).toEqual([]);
  });
});

describe("variables that cannot be used", () => {
  it.each<[Environment, RegExp]>([
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "localhost:4318" }, /OTEL_EXPORTER_OTLP_ENDPOINT: "localhost:4318" is not/],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "::" }, /OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "::" is not/],
    [{ OTEL_TRACES_EXPORTER: "zipkin" }, /OTEL_TRACES_EXPORTER: zipkin is not supported/],
  ])("%j is reported and tracing stays off", async (environment, message) => {
    expect(await tracing(environment)).toBe(NO_TELEMETRY);
    expect(errors.map((error) => error.message).join()).toMatch(message);
  });

  it.each<[Environment, RegExp]>([
    [{ OTEL_TRACES_SAMPLER: "sometimes" }, /OTEL_TRACES_SAMPLER: "sometimes" is not one of/],
    [{ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "2" }, /OTEL_TRACES_SAMPLER_ARG: "2" is not/],
    [{ OTEL_BSP_MAX_QUEUE_SIZE: "-1" }, /OTEL_BSP_MAX_QUEUE_SIZE: "-1" is not a positive/],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }, /OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is not supported/],
  ])("%j is reported and its default taken", async (environment, message) => {
    const telemetry = await tracing(exporting(environment));
    telemetry.startSpan({ name: "grant" }).end();
    await telemetry.shutdown();
    expect(receiver.spans).toHaveLength(1);
    expect(errors.map((error) => error.message).join()).toMatch(message);
  });
});
