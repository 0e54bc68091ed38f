/** Errors of single items of a stream as google.rpc.Status, by the one error map. */
import type { StatusCodec } from "#codec";
import { executionError, FaultError } from "#errors";
import { fromStatusMessage, toStatusMessage } from "./error-map.ts";
import { TransportError } from "./transport-error.ts";

export const itemStatuses: StatusCodec = Object.freeze({
  pack: toStatusMessage,
  unpack: (status) => {
    const error = fromStatusMessage(status);
    if (!(error instanceof TransportError)) return error;
    // A status without our details is not by the contract; what it says still is the reason.
    const message = `the peer answered ${error.message || `with status ${status.code}`} without details of its own`;
    const facts = { id: "", type: "COMMUNICATION_FAILURE", reach: "one", message } as const;
    return new FaultError(executionError(facts), { cause: error });
  },
} satisfies StatusCodec);
