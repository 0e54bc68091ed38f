/** Where a daemon may listen: loopback, unless it was told in so many words that the network may reach it. */
import { isIP } from "node:net";

export type ListenFault = "INVALID" | "NOT_LOOPBACK" | "IN_USE" | "UNAVAILABLE";

/** The daemon cannot listen; the message says where and what to do. */
export class ListenError extends Error {
  override name = "ListenError";
  readonly fault: ListenFault;
  readonly address: string;

  constructor(fault: ListenFault, address: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
    this.address = address;
  }
}

export interface ListenOptions {
  /** `host:port`; an IPv6 host in brackets; port 0 = any free port; `localhost` is 127.0.0.1. */
  readonly listen: string;
  /** Allows addresses other than loopback although nothing there is authenticated or encrypted. */
  readonly allowInsecure: boolean;
}

const HOST_AND_PORT = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>[^:[\]]+)):(?<port>\d{1,5})$/;
const PORT_MAX = 65_535;

/** The address to bind, checked. Throws ListenError. */
export function listenAddress({ listen, allowInsecure }: ListenOptions): string {
  const parts = HOST_AND_PORT.exec(listen)?.groups;
  const host = parts?.v6 ?? (parts?.host === "localhost" ? "127.0.0.1" : parts?.host);
  if (host === undefined || isIP(host) === 0 || Number(parts?.port) > PORT_MAX) {
    const message = `cannot listen on "${listen}": write an IP address and a port, for example 127.0.0.1:7600 or [::1]:7600`;
    throw new ListenError("INVALID", listen, message);
  }
  if (!allowInsecure && !isLoopback(host)) {
    const message =
      `refusing to listen on ${listen}: it is reachable from the network and calls are neither authenticated nor encrypted yet. ` +
      "Use 127.0.0.1, or pass --allow-insecure on a network you trust";
    throw new ListenError("NOT_LOOPBACK", listen, message);
  }
  return isIP(host) === 6 ? `[${host}]:${parts?.port}` : `${host}:${parts?.port}`;
}

/** The ListenError of a failed bind. */
export function bindFault(address: string, cause: Error): ListenError {
  if (/EADDRINUSE/.test(cause.message)) {
    const message = `${address} is in use: another process listens there. Stop it, or choose another port (0 = any free one)`;
    return new ListenError("IN_USE", address, message, { cause });
  }
  const message = `cannot listen on ${address}: ${cause.message}. Check that the address is this machine's and the port is allowed`;
  return new ListenError("UNAVAILABLE", address, message, { cause });
}

function isLoopback(host: string): boolean {
  return isIP(host) === 4 ? host.startsWith("127.") : /^(0{0,4}:){1,7}0{0,3}1$/.test(host);
}
