/** Which exit code an error means. */
import { FaultError, GRPC_STATUS, grpcStatusOf, RefusalError, refusalStatus } from "#errors";
import { TransportError } from "#rpc";
import { CommandError } from "./command-error.ts";
import { EXIT } from "./exit-code.ts";

const LOST = new Set<number>([GRPC_STATUS.UNAVAILABLE, GRPC_STATUS.DEADLINE_EXCEEDED, GRPC_STATUS.CANCELLED]);
const BROKEN = new Set<number>([GRPC_STATUS.INTERNAL, GRPC_STATUS.UNKNOWN, GRPC_STATUS.DATA_LOSS, GRPC_STATUS.ABORTED]);

/** The code of an error that ended a command. An error that nobody foresaw is a failure. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode;
  if (error instanceof TransportError) return codeOfStatus(GRPC_STATUS[error.status]);
  if (error instanceof RefusalError) {
    const { reason } = error.refusal;
    return reason === "INVALID_ARGUMENT" ? EXIT.usage : codeOfStatus(refusalStatus(reason));
  }
  if (error instanceof FaultError) {
    const { type, retryAfterMs } = error.error;
    // "No room now" has the status of a peer that is away; it is a refusal all the same.
    return type === "RESOURCE_ALLOCATION_FAILED"
      ? EXIT.refused
      : codeOfStatus(grpcStatusOf(type, retryAfterMs !== undefined));
  }
  return EXIT.failed;
}

function codeOfStatus(status: number): number {
  if (LOST.has(status)) return EXIT.unreachable;
  return BROKEN.has(status) ? EXIT.failed : EXIT.refused;
}
