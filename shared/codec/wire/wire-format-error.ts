/** Bytes that are not a message of the type that was expected. */

/** `wire-type` and `overrun` are refused here and not by every library of protobuf. */
export type WireFormatFault = "malformed" | "wire-type" | "overrun";

export class WireFormatError extends Error {
  readonly fault: WireFormatFault;

  constructor(fault: WireFormatFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "WireFormatError";
    this.fault = fault;
  }
}
