/** Errors of single items travel as google.rpc.Status; who knows the map between errors and statuses brings these two. */
import type { Status } from "#gen/google/rpc/status_pb.js";
import type { ItemError } from "#ports";

export interface StatusCodec {
  /** The status that a unary call would have ended with. */
  pack(error: ItemError): Status;
  unpack(status: Status): ItemError;
}
