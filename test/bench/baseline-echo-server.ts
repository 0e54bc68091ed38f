/**
 * The other process of the echo baselines: bare grpc-js with protobuf-es messages, nothing of this project in between. Started by
 * baseline-echo.ts; tells its port to its parent and ends with it.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type ServerDuplexStream, type ServiceDefinition } from "@grpc/grpc-js";
import type { EchoPayload } from "./baseline-echo.ts";

const { payload } = (await import(process.argv[2] ?? "")) as { readonly payload: EchoPayload };
const { schema } = payload;

const serialize = (message: ReturnType<EchoPayload["one"]>): Buffer => Buffer.from(toBinary(schema, message));
const deserialize = (bytes: Buffer): ReturnType<EchoPayload["one"]> => fromBinary(schema, bytes);
const method = (path: string, stream: boolean): ServiceDefinition[string] => ({
  path,
  requestStream: stream,
  responseStream: stream,
  requestSerialize: serialize,
  requestDeserialize: deserialize,
  responseSerialize: serialize,
  responseDeserialize: deserialize,
});

const server = new Server();
server.addService(
  { unary: method("/echo/Unary", false), stream: method("/echo/Stream", true) },
  {
    unary: (call: { request: unknown }, answer: (error: null, message: unknown) => void) => answer(null, call.request),
    stream: (call: ServerDuplexStream<unknown, unknown>) => {
      call.on("data", (message) => call.write(message));
      call.on("end", () => call.end());
    },
  },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.send?.({ port });
});
process.once("disconnect", () => server.forceShutdown());
