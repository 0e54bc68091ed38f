/** The room of RPC: typed services over gRPC, and the one map between errors and the wire. */
export type { CallFailure } from "./call-runtime.ts";
export { dialBudgetService } from "./child-link.ts";
export { type DuplexStream, type IterateOptions, iterate, pump } from "./duplex-stream.ts";
export {
  encodeStatusDetails,
  fromStatusMessage,
  fromWireStatus,
  type ReceivedError,
  type ReceivedStatus,
  toStatusMessage,
  toWireStatus,
  type WireStatus,
} from "./error-map.ts";
export { fromExecutionErrorMessage, toExecutionErrorMessage } from "./execution-error-message.ts";
export { Feed, type FeedOptions } from "./feed.ts";
export { type Client, type ClientCall, type Connection, type ConnectOptions, connect } from "./grpc-client.ts";
export { type GrpcServer, type GrpcServerOptions, startGrpcServer } from "./grpc-server.ts";
export { together } from "./item-sender.ts";
export { ListenError, type ListenFault, type ListenOptions, listenAddress } from "./listen-address.ts";
export { bindBudgetService } from "./parent-link.ts";
export {
  type BidiHandler,
  bidiFromIterables,
  bind,
  type CallContext,
  type CallOptions,
  type MethodDescriptor,
  type ServerStreamingHandler,
  type ServiceBinding,
  type ServiceDescriptor,
  type ServiceHandlers,
  type UnaryHandler,
} from "./service-handlers.ts";
export { readTraceContext } from "./trace-context.ts";
export { TransportError } from "./transport-error.ts";
export { type WorkDuplex, WorkLine, type WorkLineOptions } from "./work-line.ts";
export { serveWork, type WorkGate, type WorkStreamOptions } from "./work-stream.ts";
