/** The contract's status in the form grpc-js sends and receives: an error with a code and trailers. */
import { Metadata, type StatusObject } from "@grpc/grpc-js";
import { encodeStatusDetails, fromWireStatus, type WireStatus } from "./error-map.ts";

const DETAILS_TRAILER = "grpc-status-details-bin";

/** What grpc-js wants of a server's error. */
export interface GrpcStatusError extends Error {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

export function toServiceError(status: WireStatus): GrpcStatusError {
  const metadata = new Metadata();
  const details = encodeStatusDetails(status);
  if (details !== undefined) metadata.set(DETAILS_TRAILER, Buffer.from(details));
  return Object.assign(new Error(status.message), { code: status.code, details: status.message, metadata });
}

/** The error of a received status that is not OK. */
export function fromServiceError({ code, details, metadata }: Pick<StatusObject, "code" | "details" | "metadata">) {
  const [trailer] = metadata.get(DETAILS_TRAILER);
  return fromWireStatus({
    code,
    message: details,
    ...(trailer instanceof Uint8Array ? { details: trailer } : {}),
  });
}
