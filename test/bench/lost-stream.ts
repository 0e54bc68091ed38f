/** A stream of a bench that ends with a failure ends the whole bench; there is nobody else to answer to. */
import { TransportError } from "#rpc";

/** For `onEnd` of a stream. The end that the bench itself has caused, by closing the connection, is none. */
export function failBench(failure: Error | undefined): void {
  if (failure === undefined || (failure instanceof TransportError && failure.status === "CANCELLED")) return;
  void Promise.reject(failure);
}
