/**
 * What an implementation of a service looks like, typed from its descriptor and free of any transport: the same handlers are
 * bound to grpc-js on the mesh port and to Connect on the edge port.
 */
import type { DescFile, DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { TraceContext } from "#ports";
import { type DuplexStream, iterate, pump } from "./duplex-stream.ts";

/** What a handler may know about its call beside the request. */
export interface CallContext {
  /** Aborts when the call ends before its answer: cancelled, deadline passed, connection lost, daemon shut down. */
  readonly signal: AbortSignal;
  /** Milliseconds that the caller still waits, at the moment of reading, not below 0; undefined when it named no deadline. */
  readonly deadlineLeftMs: number | undefined;
  /** First value of a request header, by its lower-case name. */
  header(name: string): string | undefined;
  /** Address of the caller as the transport sees it; for display only. */
  readonly peer: string;
  /** The caller's trace context, when it sent a well-formed one. */
  readonly trace: TraceContext | undefined;
}

/** What a caller may say about a call, whatever carries it. */
export interface CallOptions {
  /** The deadline, in milliseconds from now. */
  readonly timeoutMs?: number;
  /** Aborting it cancels the call. */
  readonly signal?: AbortSignal;
  /** Sent as `traceparent` and `tracestate`. */
  readonly trace?: TraceContext | undefined;
  /** Further request headers; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What this room uses of a service descriptor, so that generated and hand-made ones both fit. */
export interface ServiceDescriptor {
  readonly typeName: string;
  readonly file: DescFile;
  readonly method: Readonly<Record<string, MethodDescriptor>>;
}

export interface MethodDescriptor {
  readonly name: string;
  readonly input: DescMessage;
  readonly output: DescMessage;
  readonly methodKind: "unary" | "server_streaming" | "client_streaming" | "bidi_streaming";
}

export type Input<M extends MethodDescriptor> = MessageShape<M["input"]>;
export type InputInit<M extends MethodDescriptor> = MessageInitShape<M["input"]>;
export type Output<M extends MethodDescriptor> = MessageShape<M["output"]>;
export type OutputInit<M extends MethodDescriptor> = MessageInitShape<M["output"]>;

export type UnaryHandler<M extends MethodDescriptor> = (
  request: Input<M>,
  context: CallContext,
) => Promise<OutputInit<M>> | OutputInit<M>;

/** Sends what the iterable gives, no faster than the caller reads. For a producer that pushes: return a Feed. */
export type ServerStreamingHandler<M extends MethodDescriptor> = (
  request: Input<M>,
  context: CallContext,
) => AsyncIterable<OutputInit<M>>;

/** Takes the stream and returns; the call lasts until the handler closes the stream or the caller leaves. */
export type BidiHandler<M extends MethodDescriptor> = (
  stream: DuplexStream<Input<M>, OutputInit<M>>,
  context: CallContext,
) => void;

/** The contract has no client-streaming RPC; one that appears answers UNIMPLEMENTED until this room learns the kind. */
export type Handler<M extends MethodDescriptor> = M["methodKind"] extends "unary"
  ? UnaryHandler<M>
  : M["methodKind"] extends "server_streaming"
    ? ServerStreamingHandler<M>
    : M["methodKind"] extends "bidi_streaming"
      ? BidiHandler<M>
      : never;

/** Handlers by method name (lower camel case). What is left out answers UNIMPLEMENTED. */
export type ServiceHandlers<S extends ServiceDescriptor> = {
  readonly [K in keyof S["method"]]?: Handler<S["method"][K]>;
};

/** A handler whose kind is known only from its method's descriptor. */
export type AnyHandler =
  | UnaryHandler<MethodDescriptor>
  | ServerStreamingHandler<MethodDescriptor>
  | BidiHandler<MethodDescriptor>;

/** A service with its implementation, ready for any transport. */
export interface ServiceBinding {
  readonly descriptor: ServiceDescriptor;
  readonly handlers: Readonly<Record<string, AnyHandler | undefined>>;
}

/** Joins a descriptor with its handlers; the types of both are checked here and nowhere later. */
export function bind<S extends ServiceDescriptor>(descriptor: S, handlers: ServiceHandlers<S>): ServiceBinding {
  return { descriptor, handlers: handlers as Readonly<Record<string, AnyHandler | undefined>> };
}

/** A bidi handler written with iterables, for streams whose rate does not matter. */
export function bidiFromIterables<In, Out>(
  handler: (requests: AsyncIterable<In>, context: CallContext) => AsyncIterable<Out>,
): (stream: DuplexStream<In, Out>, context: CallContext) => void {
  return (stream, context) => {
    void pump(handler(iterate(stream), context), stream, context.signal);
  };
}
