/** The client's side of a call, one function per kind of method. */
import {
  type ClientDuplexStream,
  type ClientReadableStream,
  type CallOptions as GrpcCallOptions,
  type Client as GrpcJsClient,
  Metadata,
  type StatusObject,
} from "@grpc/grpc-js";
import { GRPC_STATUS } from "#errors";
import type { Clock } from "#ports";
import { LIMITS } from "#std";
import { crashIfBroken } from "./call-runtime.ts";
import { type DuplexStream, iterate } from "./duplex-stream.ts";
import { fromServiceError } from "./grpc-status-error.ts";
import { GrpcStream, type StreamSide } from "./grpc-stream.ts";
import type { MessageCodec } from "./message-codec.ts";
import type { OpenCall, OpenCalls } from "./open-calls.ts";
import type { CallOptions } from "./service-handlers.ts";
import { TRACEPARENT_HEADER, TRACESTATE_HEADER } from "./trace-context.ts";
import { TransportError } from "./transport-error.ts";

export interface ClientRuntime {
  readonly channel: GrpcJsClient;
  readonly clock: Pick<Clock, "wallMs">;
  readonly calls: OpenCalls;
  /** True once the connection was closed from here. */
  closed: boolean;
}

export interface ClientMethod {
  readonly path: string;
  readonly input: MessageCodec;
  readonly output: MessageCodec;
  readonly runtime: ClientRuntime;
}

export function callUnary({ path, input, output, runtime }: ClientMethod) {
  return (request: unknown, options: CallOptions = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const stillborn = stillbornFailure(runtime, options);
      if (stillborn !== undefined) throw stillborn;
      const { signal, timeoutMs = LIMITS.unaryDeadlineMs } = options;
      const bytes = input.encode(input.complete(request));
      const deadline = runtime.clock.wallMs() + timeoutMs;
      const finish = (fault: Error | null, answer?: Buffer): void => {
        signal?.removeEventListener("abort", cancel);
        runtime.calls.delete(open);
        try {
          if (fault !== null) throw fault;
          resolve(output.decode(answer ?? Buffer.alloc(0)));
        } catch (failure) {
          reject(failure);
        }
      };
      const call = runtime.channel.makeUnaryRequest(
        path,
        sameBytes,
        sameBytes,
        bytes,
        headersOf(options),
        { deadline },
        (fault, answer) => finish(fault === null ? null : fromServiceError(fault), answer),
      );
      const open: OpenCall = {
        abort: (failure) => {
          finish(failure);
          call.cancel();
        },
      };
      const cancel = (): void => open.abort(cancelled());
      runtime.calls.add(open);
      signal?.addEventListener("abort", cancel, { once: true });
    });
}

export function callServerStreaming(method: ClientMethod) {
  return (request: unknown, options: CallOptions = {}): AsyncIterable<unknown> => {
    const { path, input, runtime } = method;
    const bytes = input.encode(input.complete(request));
    const stream = openStream(method, options, () => {
      const grpcOptions = deadlineOf(method, options);
      const readable = runtime.channel.makeServerStreamRequest(
        path,
        sameBytes,
        sameBytes,
        bytes,
        headersOf(options),
        grpcOptions,
      );
      return { readable };
    });
    return iterate(stream, { onLeft: () => stream.close(cancelled()) });
  };
}

export function callBidi(method: ClientMethod) {
  return (options: CallOptions = {}): DuplexStream<unknown, unknown> =>
    openStream(method, options, () => {
      const { path, runtime } = method;
      const grpcOptions = deadlineOf(method, options);
      const call = runtime.channel.makeBidiStreamRequest(path, sameBytes, sameBytes, headersOf(options), grpcOptions);
      return { readable: call, writable: call };
    });
}

interface StreamingCall {
  readonly readable: ClientReadableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>;
  /** Absent when the request was a single message. */
  readonly writable?: ClientDuplexStream<Buffer, Buffer>;
}

type ClientStream = GrpcStream<unknown, unknown>;

function openStream(method: ClientMethod, options: CallOptions, start: () => StreamingCall): ClientStream {
  const { runtime, output: incoming, input: outgoing } = method;
  const { signal } = options;
  const stillborn = stillbornFailure(runtime, options);
  const call = stillborn === undefined ? start() : undefined;
  const cancel = (): void => stream.abort(cancelled());
  const forget = (): void => {
    signal?.removeEventListener("abort", cancel);
    runtime.calls.delete(stream);
  };
  const side: StreamSide = {
    role: "client",
    finish: () => void call?.writable?.end(),
    fail: (failure) => {
      crashIfBroken(failure);
      forget();
      call?.readable.cancel();
    },
    ended: forget,
    failedLate: crashIfBroken,
  };
  const stream: ClientStream = new GrpcStream({ ...call, incoming, outgoing, side });
  if (call === undefined) {
    stream.abort(stillborn ?? cancelled());
    return stream;
  }
  settleAtEnd(call.readable, (status) => {
    forget();
    if (status.code === GRPC_STATUS.OK) stream.peerFinished({ over: true });
    else stream.peerFailed(fromServiceError(status));
  });
  runtime.calls.add(stream);
  signal?.addEventListener("abort", cancel, { once: true });
  return stream;
}

/** Why a call cannot even begin. */
function stillbornFailure({ closed }: ClientRuntime, { signal }: CallOptions): TransportError | undefined {
  if (signal?.aborted === true) return cancelled();
  return closed ? new TransportError("UNAVAILABLE", "this connection was closed by its owner") : undefined;
}

/** Calls `settle` when the status is known and every message before it has been read. */
function settleAtEnd(call: StreamingCall["readable"], settle: (status: StatusObject) => void): void {
  let status: StatusObject | undefined;
  let read = false;
  const settleWhenBoth = (): void => {
    if (status !== undefined && read) settle(status);
  };
  call.on("status", (received: StatusObject) => {
    status = received;
    settleWhenBoth();
  });
  call.on("end", () => {
    read = true;
    settleWhenBoth();
  });
  // The status says the same, in order; without a listener Node would throw.
  call.on("error", () => undefined);
}

function headersOf({ headers = {}, trace }: CallOptions): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  if (trace === undefined) return metadata;
  metadata.set(TRACEPARENT_HEADER, trace.traceparent);
  if (trace.tracestate !== undefined) metadata.set(TRACESTATE_HEADER, trace.tracestate);
  return metadata;
}

function deadlineOf({ runtime }: ClientMethod, { timeoutMs }: CallOptions): GrpcCallOptions {
  return timeoutMs === undefined ? {} : { deadline: runtime.clock.wallMs() + timeoutMs };
}

function cancelled(): TransportError {
  return new TransportError("CANCELLED", "the call was cancelled by its caller");
}

function sameBytes(bytes: Buffer): Buffer {
  return bytes;
}
