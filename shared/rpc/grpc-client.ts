/** A connection to one daemon, and typed clients over it in the same neutral shapes the handlers have. */
import { credentials, Client as GrpcJsClient } from "@grpc/grpc-js";
import type { Clock } from "#ports";
import { LIMITS } from "#std";
import type { DuplexStream } from "./duplex-stream.ts";
import { CLIENT_WINDOW } from "./flow-window.ts";
import {
  type ClientMethod,
  type ClientRuntime,
  callBidi,
  callServerStreaming,
  callUnary,
} from "./grpc-client-calls.ts";
import { MessageCodec } from "./message-codec.ts";
import { OpenCalls } from "./open-calls.ts";
import type { CallOptions, InputInit, MethodDescriptor, Output, ServiceDescriptor } from "./service-handlers.ts";
import { TransportError } from "./transport-error.ts";

export interface ConnectOptions {
  /** `host:port` of the daemon. */
  readonly address: string;
  readonly clock: Pick<Clock, "wallMs">;
}

export type ClientCall<M extends MethodDescriptor> = M["methodKind"] extends "unary"
  ? /** Rejects with FaultError, RefusalError or TransportError. Deadline LIMITS.unaryDeadlineMs unless named. */
    (request: InputInit<M>, options?: CallOptions) => Promise<Output<M>>
  : M["methodKind"] extends "server_streaming"
    ? /** The call starts at once; leaving the loop cancels it. No deadline unless named. */
      (request: InputInit<M>, options?: CallOptions) => AsyncIterable<Output<M>>
    : M["methodKind"] extends "bidi_streaming"
      ? /** No deadline unless named. */ (options?: CallOptions) => DuplexStream<Output<M>, InputInit<M>>
      : never;

/** One function per RPC, by its name in lower camel case. */
export type Client<S extends ServiceDescriptor> = { readonly [K in keyof S["method"]]: ClientCall<S["method"][K]> };

export interface Connection {
  readonly address: string;
  client<S extends ServiceDescriptor>(service: S): Client<S>;
  /** Resolves when the daemon answers; rejects with UNAVAILABLE after `timeoutMs`. Dials as long as it waits. */
  waitForReady(timeoutMs: number): Promise<void>;
  /** Closes the connection; calls in flight end with an error. */
  close(): void;
}

const CHANNEL_OPTIONS = Object.freeze({
  "grpc.max_receive_message_length": LIMITS.messageBytesMax,
  "grpc.max_send_message_length": LIMITS.messageBytesMax,
  "grpc.initial_reconnect_backoff_ms": LIMITS.redialDelayFirstMs,
  "grpc.max_reconnect_backoff_ms": LIMITS.redialDelayMaxMs,
  "grpc.keepalive_time_ms": LIMITS.keepaliveIntervalMs,
  "grpc.keepalive_timeout_ms": LIMITS.keepaliveTimeoutMs,
  "grpc.keepalive_permit_without_calls": 1,
  // Each connection is its own: no shared backoff, and closing it closes the socket.
  "grpc.use_local_subchannel_pool": 1,
  // Retrying is the caller's decision, with a request_id.
  "grpc.enable_retries": 0,
  "grpc.enable_channelz": 0,
  "grpc.service_config_disable_resolution": 1,
  // The mesh never goes through a proxy that the environment names for the web.
  "grpc.enable_http_proxy": 0,
  ...CLIENT_WINDOW,
});

/** A connection that dials when it is first used and, after a loss, again by itself. */
export function connect({ address, clock }: ConnectOptions): Connection {
  const channel = new GrpcJsClient(address, credentials.createInsecure(), CHANNEL_OPTIONS);
  return connectOver(channel, { address, clock });
}

/** A connection over a channel that is there already: a simulation brings its own. */
export function connectOver(channel: GrpcJsClient, { address, clock }: ConnectOptions): Connection {
  const runtime: ClientRuntime = { channel, clock, calls: new OpenCalls(), closed: false };
  return {
    address,
    client: (service) => clientOf(service, runtime),
    waitForReady: (timeoutMs) =>
      new Promise((resolve, reject) => {
        channel.waitForReady(clock.wallMs() + timeoutMs, (fault) => {
          if (fault === undefined) return resolve();
          const message = `no daemon answered at ${address} within ${timeoutMs} ms; check that it runs and listens there`;
          reject(new TransportError("UNAVAILABLE", message, { cause: fault }));
        });
      }),
    close: () => {
      runtime.closed = true;
      runtime.calls.abortAll(new TransportError("CANCELLED", `the connection to ${address} was closed by its owner`));
      channel.close();
    },
  };
}

function clientOf<S extends ServiceDescriptor>(service: S, runtime: ClientRuntime): Client<S> {
  const calls: Record<string, unknown> = {};
  for (const [localName, { name, input, output, methodKind }] of Object.entries(service.method)) {
    const path = `/${service.typeName}/${name}`;
    const method: ClientMethod = { path, input: new MessageCodec(input), output: new MessageCodec(output), runtime };
    if (methodKind === "unary") calls[localName] = callUnary(method);
    if (methodKind === "server_streaming") calls[localName] = callServerStreaming(method);
    if (methodKind === "bidi_streaming") calls[localName] = callBidi(method);
  }
  return calls as Client<S>;
}
