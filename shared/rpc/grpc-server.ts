/** A gRPC server for bound services: where it may listen, what it refuses, and how it ends. */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { type Refusal, RefusalError } from "#errors";
import type { Clock } from "#ports";
import { LIMITS } from "#std";
import type { CallFailure, CallRuntime } from "./call-runtime.ts";
import { widenServerWindows } from "./flow-window.ts";
import { toGrpcService } from "./grpc-service.ts";
import { bindFault, type ListenOptions, listenAddress } from "./listen-address.ts";
import { OpenCalls } from "./open-calls.ts";
import type { CallContext, ServiceBinding } from "./service-handlers.ts";

export interface GrpcServerOptions extends ListenOptions {
  readonly services: readonly ServiceBinding[];
  readonly clock: Pick<Clock, "wallMs" | "after" | "soon">;
  /** Told of each fault that callers see only as INTERNAL. */
  readonly onError: (failure: CallFailure) => void;
  /** Asked before the handler of each call; a refusal ends the call. Default: everyone is admitted. */
  readonly admit?: (method: string, context: CallContext) => Refusal | undefined;
}

export interface GrpcServer {
  /** Where it listens, with the port that was chosen. */
  readonly address: string;
  /** What the health service says; SERVING from the start. */
  setServing(serving: boolean): void;
  /**
   * Ends in order: new calls are refused with DRAINING, open ones have `graceMs` to finish and then end with DRAINING, the
   * sockets close. Resolves within graceMs + LIMITS.shutdownFlushMs. A second call joins the first.
   */
  drain(graceMs: number): Promise<void>;
  /** Ends at once; calls in flight are lost. */
  kill(): void;
}

const SERVER_OPTIONS = Object.freeze({
  "grpc.max_receive_message_length": LIMITS.messageBytesMax,
  "grpc.max_send_message_length": LIMITS.messageBytesMax,
  "grpc.max_concurrent_streams": LIMITS.callsPerConnectionMax,
  "grpc.keepalive_time_ms": LIMITS.keepaliveIntervalMs,
  "grpc.keepalive_timeout_ms": LIMITS.keepaliveTimeoutMs,
  "grpc.enable_channelz": 0,
});

/** Starts a server. Throws ListenError when it may not or cannot listen there. */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const { services, clock, onError, admit = () => undefined } = options;
  const address = listenAddress(options);
  // Loaded here and not above: they bring a second protobuf runtime, which a mere client never needs.
  const { addHealth, addReflection } = await import("./standard-services.ts");
  widenServerWindows();
  const server = new Server(SERVER_OPTIONS);
  const calls = new OpenCalls();
  let draining = false;
  const runtime: CallRuntime = {
    clock,
    calls,
    onError,
    admit: (method, context) => (draining ? drainingRefusal().refusal : admit(method, context)),
  };
  for (const service of services) {
    const { definition, implementation } = toGrpcService(service, runtime);
    server.addService(definition, implementation);
  }
  const descriptors = services.map(({ descriptor }) => descriptor);
  const health = addHealth(server, descriptors);
  addReflection(server, descriptors);
  const port = await listen(server, address);
  const bound = address.replace(/\d+$/, String(port));
  const kill = (): void => {
    // forceShutdown alone leaves connections open when channelz is off; drain closes them in the next turn.
    server.drain(bound, 0);
    server.forceShutdown();
  };
  let drained: Promise<void> | undefined;
  return {
    address: bound,
    setServing: (serving) => health.setServing(serving),
    drain: (graceMs) => {
      draining = true;
      health.setServing(false);
      drained ??= drainServer({ server, calls, clock, graceMs }).then(kill);
      return drained;
    },
    kill,
  };
}

function listen(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (fault, port) => {
      if (fault === null) return resolve(port);
      server.forceShutdown();
      reject(bindFault(address, fault));
    });
  });
}

interface DrainOptions {
  readonly server: Server;
  readonly calls: OpenCalls;
  readonly clock: Pick<Clock, "after">;
  readonly graceMs: number;
}

async function drainServer({ server, calls, clock, graceMs }: DrainOptions): Promise<void> {
  await within(clock, graceMs, (done) => calls.whenIdle(done));
  calls.abortAll(drainingRefusal());
  await within(clock, LIMITS.shutdownFlushMs, (done) => server.tryShutdown(() => done()));
}

/** Resolves when `start` calls back, or after `ms` at the latest. */
function within(clock: Pick<Clock, "after">, ms: number, start: (done: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, resolve);
    start(() => {
      cancel();
      resolve();
    });
  });
}

function drainingRefusal(): RefusalError {
  const message = "this daemon is shutting down; ask again after a while, or another daemon";
  return new RefusalError({ reason: "DRAINING", message, retryAfterMs: LIMITS.redialDelayMaxMs });
}
