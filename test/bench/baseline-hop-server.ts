/**
 * One process of the hops baseline: a bare unary echo on grpc-js, which asks the next one first when there is one. Started by
 * baseline-hops.ts; tells its port to its parent and ends with it. Argument: the port of the next.
 */
import { Client, credentials, Server, ServerCredentials } from "@grpc/grpc-js";

const same = (bytes: Buffer): Buffer => bytes;
const path = "/hop/Unary";
const nextPort = process.argv[2];
const next = nextPort === undefined ? undefined : new Client(`127.0.0.1:${nextPort}`, credentials.createInsecure());

const bytesOnly = {
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};
const server = new Server();
server.addService(
  { unary: { path, requestStream: false, responseStream: false, ...bytesOnly } },
  {
    unary: (call: { readonly request: Buffer }, answer: (error: Error | null, bytes?: Buffer) => void) => {
      if (next === undefined) answer(null, call.request);
      else next.makeUnaryRequest(path, same, same, call.request, (error, bytes) => answer(error, bytes));
    },
  },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.send?.({ port });
});
process.once("disconnect", () => {
  next?.close();
  server.forceShutdown();
});
