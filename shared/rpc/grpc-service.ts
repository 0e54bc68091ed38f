/**
 * Binds the neutral handlers of a service to grpc-js: one adapter per kind of method. grpc-js moves bytes only; messages are
 * decoded and encoded here, so that bad bytes and large messages get the contract's refusals.
 */
import {
  Metadata,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { RefusalError } from "#errors";
import { unreachable } from "#std";
import { admit, type CallRuntime, type CallSite, callLost, reportUnexpected } from "./call-runtime.ts";
import { pump } from "./duplex-stream.ts";
import { toWireStatus } from "./error-map.ts";
import { GrpcCallContext } from "./grpc-call-context.ts";
import { toServiceError } from "./grpc-status-error.ts";
import { GrpcStream, type StreamSide } from "./grpc-stream.ts";
import { MessageCodec } from "./message-codec.ts";
import type { OpenCall } from "./open-calls.ts";
import type {
  BidiHandler,
  CallContext,
  MethodDescriptor,
  ServerStreamingHandler,
  ServiceBinding,
  UnaryHandler,
} from "./service-handlers.ts";

interface Method extends CallSite {
  readonly input: MessageCodec;
  readonly output: MessageCodec;
}

type UnaryCall = ServerUnaryCall<Buffer, Buffer>;
type StreamingCall = ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;

export interface GrpcService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

/** The grpc-js definition and implementation of a bound service. */
export function toGrpcService({ descriptor, handlers }: ServiceBinding, runtime: CallRuntime): GrpcService {
  const definition: Record<string, ServiceDefinition[string]> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const [localName, descriptorOfMethod] of Object.entries(descriptor.method)) {
    const { input, output, methodKind, name } = descriptorOfMethod;
    const path = `/${descriptor.typeName}/${name}`;
    definition[localName] = {
      path,
      requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
      responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
      requestSerialize: sameBytes,
      requestDeserialize: sameBytes,
      responseSerialize: sameBytes,
      responseDeserialize: sameBytes,
    };
    const method = { path, input: new MessageCodec(input), output: new MessageCodec(output), runtime };
    implementation[localName] = adapt({ method, methodKind, handler: handlers[localName] });
  }
  return { definition, implementation };
}

function sameBytes(bytes: Buffer): Buffer {
  return bytes;
}

interface Adaptation {
  readonly method: Method;
  readonly methodKind: MethodDescriptor["methodKind"];
  readonly handler: unknown;
}

function adapt({ method, methodKind, handler }: Adaptation): UntypedServiceImplementation[string] {
  const served =
    handler ??
    (() => {
      throw unserved(method.path);
    });
  switch (methodKind) {
    case "unary":
      return adaptUnary(method, served as UnaryHandler<MethodDescriptor>);
    case "client_streaming":
      return (_call: unknown, callback: sendUnaryData<Buffer>) => {
        callback(toServiceError(toWireStatus(unserved(method.path))));
      };
    case "server_streaming":
      return adaptServerStreaming(method, served as ServerStreamingHandler<MethodDescriptor>);
    case "bidi_streaming":
      return adaptBidi(method, served as BidiHandler<MethodDescriptor>);
    default:
      return unreachable(methodKind);
  }
}

function unserved(path: string): RefusalError {
  return new RefusalError({
    reason: "UNIMPLEMENTED",
    message: `${path} is in the contract and not served by this daemon`,
  });
}

function adaptUnary(method: Method, handler: UnaryHandler<MethodDescriptor>) {
  return (call: UnaryCall, callback: sendUnaryData<Buffer>): void => {
    const { runtime } = method;
    const context = new GrpcCallContext(call, runtime.clock);
    let over = false;
    const end = (): boolean => {
      if (over) return false;
      over = true;
      runtime.calls.delete(open);
      return true;
    };
    const fail = (error: unknown): void => {
      reportUnexpected(method, context, error);
      if (end()) callback(toServiceError(toWireStatus(error)));
    };
    const answer = (response: unknown): void => {
      try {
        const bytes = method.output.encode(response);
        if (end()) callback(null, bytes);
      } catch (error) {
        fail(error);
      }
    };
    const abort = (failure: Error): void => {
      context.abort(failure);
      fail(failure);
    };
    const open: OpenCall = { abort };
    runtime.calls.add(open);
    call.on("cancelled", () => {
      if (end()) context.abort(callLost());
    });
    try {
      const response = handler(readRequest(method, context, call.request), context);
      if (response instanceof Promise) response.then(answer, fail);
      else answer(response);
    } catch (error) {
      fail(error);
    }
  };
}

function adaptServerStreaming(method: Method, handler: ServerStreamingHandler<MethodDescriptor>) {
  return (call: ServerWritableStream<Buffer, Buffer>): void => {
    const { stream, context } = openStream(method, call);
    try {
      const responses = handler(readRequest(method, context, call.request), context);
      void pump(responses, stream, context.signal);
      acceptAside(method.runtime, stream);
    } catch (error) {
      stream.close(error);
    }
  };
}

/**
 * Answers the call while its first message is still being made, so that this is not on the message's way. Two turns later: what the
 * handler has sent to others goes first.
 */
function acceptAside({ clock }: CallRuntime, stream: GrpcStream<never, unknown>): void {
  clock.soon(() => clock.soon(() => stream.accept()));
}

function adaptBidi(method: Method, handler: BidiHandler<MethodDescriptor>) {
  return (call: ServerDuplexStream<Buffer, Buffer>): void => {
    const { stream, context } = openStream(method, call);
    call.on("end", () => stream.peerFinished({ over: false }));
    try {
      admit(method, context);
      handler(stream, context);
    } catch (error) {
      stream.close(error);
    }
  };
}

/** The sending half and the bookkeeping that both kinds of streams share. */
function openStream(method: Method, call: StreamingCall) {
  const { calls, clock } = method.runtime;
  const context = new GrpcCallContext(call, clock);
  const side: StreamSide = {
    role: "server",
    accept: () => call.sendMetadata(new Metadata()),
    finish: () => {
      calls.delete(stream);
      call.end();
    },
    fail: (failure) => {
      reportUnexpected(method, context, failure);
      calls.delete(stream);
      call.emit("error", toServiceError(toWireStatus(failure)));
    },
    ended: (failure) => {
      calls.delete(stream);
      context.abort(failure);
    },
    failedLate: (failure) => reportUnexpected(method, context, failure),
  };
  const stream: GrpcStream<never, unknown> = new GrpcStream<never, unknown>({
    ...("read" in call ? { readable: call } : {}),
    writable: call,
    incoming: method.input,
    outgoing: method.output,
    side,
  });
  calls.add(stream);
  // Said at the end of every call, be it a good one.
  call.on("cancelled", () => {
    if (!stream.isOver) stream.peerFailed(callLost());
  });
  return { stream, context };
}

function readRequest(method: Method, context: CallContext, bytes: Buffer) {
  admit(method, context);
  return method.input.decode(bytes);
}
