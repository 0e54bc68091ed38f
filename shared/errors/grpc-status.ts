/** The gRPC status codes, as pure names and numbers: no transport is imported to speak of them. */

export const GRPC_STATUS = Object.freeze({
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
});

export type GrpcStatusName = keyof typeof GRPC_STATUS;

const NAMES = new Map<number, GrpcStatusName>(
  (Object.keys(GRPC_STATUS) as GrpcStatusName[]).map((name) => [GRPC_STATUS[name], name]),
);

/** The name of a status number; a number this contract does not know reads as UNKNOWN, as gRPC asks. */
export function grpcStatusName(code: number): GrpcStatusName {
  return NAMES.get(code) ?? "UNKNOWN";
}
