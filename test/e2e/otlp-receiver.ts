/**
 * A small OTLP collector for tests: a real HTTP server that takes ExportTraceServiceRequest as protobuf and keeps the
 * spans. It decodes with a reader of its own, so that it shares nothing with the exporter under test.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { BinaryReader } from "@bufbuild/protobuf/wire";

export type AttributeValue = string | number | boolean | readonly AttributeValue[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface ReceivedSpan {
  /** 32 and 16 hex digits; `parentSpanId` is empty for the root of a trace. */
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: "unspecified" | "internal" | "server" | "client" | "producer" | "consumer";
  /** `service.name` of the process that made the span. */
  readonly service: string;
  readonly resource: Attributes;
  /** Name of the instrumentation scope. */
  readonly scope: string;
  readonly attributes: Attributes;
  readonly events: readonly { readonly name: string; readonly attributes: Attributes }[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status: { readonly code: "unset" | "ok" | "error"; readonly message: string };
  readonly durationMs: number;
}

export interface OtlpReceiver {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly endpoint: string;
  /** Every span so far, in order of arrival. */
  readonly spans: readonly ReceivedSpan[];
  /** Headers of every export request so far, accepted or not. */
  readonly requests: readonly IncomingMessage["headers"][];
  /** Resolves as soon as the spans satisfy `enough`; bound it with the test's own timeout. */
  until(enough: (spans: readonly ReceivedSpan[]) => boolean): Promise<readonly ReceivedSpan[]>;
  /** The status of the answers from now on; other than 200 the spans are not kept. 0 leaves requests unanswered. */
  answerWith(status: number): void;
  close(): Promise<void>;
}

const KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"] as const;
const STATUS_CODES = ["unset", "ok", "error"] as const;
const REQUEST_BYTES_MAX = 16 * 1024 * 1024;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Calls `field` for each field of a message; what it does not take (returns false) is skipped. */
function decode(bytes: Uint8Array, field: (fieldNumber: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [fieldNumber, wireType] = reader.tag();
    if (!field(fieldNumber, reader)) reader.skip(wireType, fieldNumber);
  }
}

function decodeValue(bytes: Uint8Array): AttributeValue {
  let value: AttributeValue = "";
  decode(bytes, (fieldNumber, reader) => {
    if (fieldNumber === 1) value = reader.string();
    else if (fieldNumber === 2) value = reader.bool();
    else if (fieldNumber === 3) value = Number(reader.int64());
    else if (fieldNumber === 4) value = reader.double();
    else if (fieldNumber === 5) {
      const items: AttributeValue[] = [];
      decode(
        reader.bytes(),
        (itemField, itemReader) => itemField === 1 && items.push(decodeValue(itemReader.bytes())) > 0,
      );
      value = items;
    } else return false;
    return true;
  });
  return value;
}

function decodeAttribute(bytes: Uint8Array, into: Record<string, AttributeValue>): true {
  let key = "";
  let value: AttributeValue = "";
  decode(bytes, (fieldNumber, reader) => {
    if (fieldNumber === 1) key = reader.string();
    else if (fieldNumber === 2) value = decodeValue(reader.bytes());
    else return false;
    return true;
  });
  into[key] = value;
  return true;
}

function decodeEvent(bytes: Uint8Array): ReceivedSpan["events"][number] {
  let name = "";
  const attributes: Record<string, AttributeValue> = {};
  decode(bytes, (fieldNumber, reader) => {
    if (fieldNumber === 2) name = reader.string();
    else if (fieldNumber === 3) decodeAttribute(reader.bytes(), attributes);
    else return false;
    return true;
  });
  return { name, attributes };
}

function decodeLink(bytes: Uint8Array): ReceivedSpan["links"][number] {
  const link = { traceId: "", spanId: "" };
  decode(bytes, (fieldNumber, reader) => {
    if (fieldNumber === 1) link.traceId = hex(reader.bytes());
    else if (fieldNumber === 2) link.spanId = hex(reader.bytes());
    else return false;
    return true;
  });
  return link;
}

function decodeStatus(bytes: Uint8Array): ReceivedSpan["status"] {
  let message = "";
  let code = 0;
  decode(bytes, (fieldNumber, reader) => {
    if (fieldNumber === 2) message = reader.string();
    else if (fieldNumber === 3) code = reader.int32();
    else return false;
    return true;
  });
  return { code: STATUS_CODES[code] ?? "unset", message };
}

type Origin = Pick<ReceivedSpan, "service" | "resource" | "scope">;

function decodeSpan(bytes: Uint8Array, origin: Origin): ReceivedSpan {
  const ids = { traceId: "", spanId: "", parentSpanId: "" };
  let name = "";
  let kind = 0;
  let beganNs = 0n;
  let endedNs = 0n;
  let status: ReceivedSpan["status"] = { code: "unset", message: "" };
  const attributes: Record<string, AttributeValue> = {};
  const events: ReceivedSpan["events"][number][] = [];
  const links: ReceivedSpan["links"][number][] = [];
  decode(bytes, (fieldNumber, reader) => {
    if (fieldNumber === 1) ids.traceId = hex(reader.bytes());
    else if (fieldNumber === 2) ids.spanId = hex(reader.bytes());
    else if (fieldNumber === 4) ids.parentSpanId = hex(reader.bytes());
    else if (fieldNumber === 5) name = reader.string();
    else if (fieldNumber === 6) kind = reader.int32();
    else if (fieldNumber === 7) beganNs = BigInt(reader.fixed64());
    else if (fieldNumber === 8) endedNs = BigInt(reader.fixed64());
    else if (fieldNumber === 9) decodeAttribute(reader.bytes(), attributes);
    else if (fieldNumber === 11) events.push(decodeEvent(reader.bytes()));
    else if (fieldNumber === 13) links.push(decodeLink(reader.bytes()));
    else if (fieldNumber === 15) status = decodeStatus(reader.bytes());
    else return false;
    return true;
  });
  const durationMs = Number(endedNs - beganNs) / 1e6;
  return { ...ids, name, kind: KINDS[kind] ?? "unspecified", ...origin, attributes, events, links, status, durationMs };
}

/** Length-delimited fields of a message, by number. */
function parts(bytes: Uint8Array): Map<number, Uint8Array[]> {
  const found = new Map<number, Uint8Array[]>();
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [fieldNumber, wireType] = reader.tag();
    if (wireType === 2) found.set(fieldNumber, [...(found.get(fieldNumber) ?? []), reader.bytes()]);
    else reader.skip(wireType, fieldNumber);
  }
  return found;
}

function decodeResource(bytes: Uint8Array): Attributes {
  const attributes: Record<string, AttributeValue> = {};
  for (const attribute of parts(bytes).get(1) ?? []) decodeAttribute(attribute, attributes);
  return attributes;
}

/** Decodes an ExportTraceServiceRequest. Throws on bytes that are none. */
export function decodeExportRequest(bytes: Uint8Array): ReceivedSpan[] {
  return (parts(bytes).get(1) ?? []).flatMap((resourceSpans) => {
    const fields = parts(resourceSpans);
    const resource = decodeResource(fields.get(1)?.[0] ?? new Uint8Array());
    const service = String(resource["service.name"] ?? "");
    return (fields.get(2) ?? []).flatMap((scopeSpans) => {
      const inScope = parts(scopeSpans);
      const scopeName = parts(inScope.get(1)?.[0] ?? new Uint8Array()).get(1)?.[0];
      const scope = new TextDecoder().decode(scopeName);
      return (inScope.get(2) ?? []).map((span) => decodeSpan(span, { service, resource, scope }));
    });
  });
}

async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > REQUEST_BYTES_MAX) throw new Error(`export request larger than ${REQUEST_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  return request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
}

/** Listens on a free port of 127.0.0.1. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const requests: IncomingMessage["headers"][] = [];
  const waiting = new Set<() => void>();
  let status = 200;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    requests.push(request.headers);
    const wanted = request.method === "POST" && request.url === "/v1/traces" ? status : 404;
    try {
      const decoded = decodeExportRequest(await readBody(request));
      if (wanted === 200) spans.push(...decoded);
      if (wanted !== 0) response.writeHead(wanted, { "content-type": "application/x-protobuf" }).end();
    } catch (error) {
      response.writeHead(400).end(String(error));
    }
    for (const check of waiting) check();
  }

  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    spans,
    requests,
    until: (enough) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!enough(spans)) return;
          waiting.delete(check);
          resolve(spans);
        };
        waiting.add(check);
        check();
      }),
    answerWith: (next) => {
      status = next;
    },
    close: () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      return closed;
    },
  };
}

export interface ConnectedTrace {
  readonly traceId: string;
  readonly spans: readonly ReceivedSpan[];
  /** Spans whose parent is not among the received ones: the root, and whatever hangs in the air. */
  readonly tops: readonly ReceivedSpan[];
  /** Every span is reached from one single top. */
  readonly connected: boolean;
  readonly services: readonly string[];
}

/** Groups spans by trace and says of each whether it hangs together. */
export function connectedTraces(spans: readonly ReceivedSpan[]): ConnectedTrace[] {
  const byTrace = Map.groupBy(spans, (span) => span.traceId);
  return [...byTrace].map(([traceId, members]) => {
    const ids = new Set(members.map((span) => span.spanId));
    const tops = members.filter((span) => !ids.has(span.parentSpanId));
    const services = [...new Set(members.map((span) => span.service))].sort();
    return { traceId, spans: members, tops, connected: tops.length === 1, services };
  });
}

/** True when all spans form one trace below one top. */
export function isOneTrace(spans: readonly ReceivedSpan[]): boolean {
  const traces = connectedTraces(spans);
  return traces.length === 1 && traces[0]?.connected === true;
}
