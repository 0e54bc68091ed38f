/** A real server and a real client over loopback, for this room's tests; both end with the test. */
import { onTestFinished } from "vitest";
import type { Clock } from "#ports";
import type { CallFailure } from "../call-runtime.ts";
import { type Client, type Connection, connect } from "../grpc-client.ts";
import { type GrpcServer, type GrpcServerOptions, startGrpcServer } from "../grpc-server.ts";
import { bind, type ServiceHandlers } from "../service-handlers.ts";
import { EchoService } from "./echo-service.ts";

export const testClock: Pick<Clock, "wallMs" | "after" | "soon"> = {
  wallMs: () => Date.now(),
  soon: (action) => void setImmediate(action),
  after: (delayMs, action) => {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
};

export interface EchoMesh {
  readonly server: GrpcServer;
  readonly connection: Connection;
  readonly client: Client<typeof EchoService>;
  /** What the server told its onError. */
  readonly failures: readonly CallFailure[];
}

export async function echoMesh(
  handlers: ServiceHandlers<typeof EchoService>,
  options: Partial<GrpcServerOptions> = {},
): Promise<EchoMesh> {
  const failures: CallFailure[] = [];
  const server = await startGrpcServer({
    listen: "127.0.0.1:0",
    allowInsecure: false,
    services: [bind(EchoService, handlers)],
    clock: testClock,
    onError: (failure) => failures.push(failure),
    ...options,
  });
  const connection = connect({ address: server.address, clock: testClock });
  onTestFinished(() => {
    connection.close();
    server.kill();
  });
  return { server, connection, client: connection.client(EchoService), failures };
}

/** A promise and its ends, for what a callback tells once. */
export function pending<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  const { promise, resolve } = Promise.withResolvers<T>();
  return { promise, resolve };
}

/** The error a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error("expected a rejection");
    },
    (error: unknown) => error,
  );
}
