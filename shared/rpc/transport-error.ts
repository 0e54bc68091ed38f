/** A call that failed below the contract: nobody answered, the deadline passed, the call was cancelled, the peer broke. */
import type { GrpcStatusName } from "#errors";

export class TransportError extends Error {
  override name = "TransportError";
  /** The gRPC status of the call. */
  readonly status: GrpcStatusName;

  constructor(status: GrpcStatusName, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}
