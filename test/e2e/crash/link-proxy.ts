/**
 * A TCP proxy in front of one daemon, so that the way there can be cut: dropped (connections end and none comes through), stalled (open,
 * but no byte moves), or stalled in one direction alone. What a stalled direction held back is delivered when the way is healed, and lost
 * when it is reset instead.
 */

import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket, connect as tcpConnect } from "node:net";

/** `forth`: from whoever dialled to the daemon; `back`: the answers. */
export type Cut = "drop" | "stall" | "forth" | "back";

export const CUTS: readonly Cut[] = ["drop", "stall", "forth", "back"];

interface Pair {
  readonly forth: Direction;
  readonly back: Direction;
  readonly sockets: readonly Socket[];
}

export class LinkProxy {
  /** Where it is dialled, host:port. */
  readonly address: string;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #target = { host: "127.0.0.1", port: 0 };
  #cut: Cut | undefined;

  private constructor(server: Server) {
    const { port } = server.address() as AddressInfo;
    this.address = `127.0.0.1:${port}`;
    this.#server = server;
    server.on("connection", (socket) => this.#accept(socket));
  }

  /** Listens on a free port of 127.0.0.1; until `pointTo` every connection ends at once. */
  static open(): Promise<LinkProxy> {
    const server = createServer({ noDelay: true });
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => resolve(new LinkProxy(server)));
    });
  }

  /** Where new connections go from now on, host:port. */
  pointTo(address: string): void {
    const at = address.lastIndexOf(":");
    this.#target = { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
  }

  cut(how: Cut): void {
    this.#cut = how;
    if (how === "drop") this.reset();
    for (const pair of this.#pairs) this.#apply(pair);
  }

  /** Everything moves again; what was held back is delivered. */
  heal(): void {
    this.#cut = undefined;
    for (const pair of this.#pairs) this.#apply(pair);
  }

  /** Ends the connections there are; what was held back is lost. */
  reset(): void {
    for (const { sockets } of this.#pairs) for (const socket of sockets) socket.resetAndDestroy();
  }

  close(): void {
    this.#server.close();
    this.reset();
  }

  #accept(caller: Socket): void {
    if (this.#cut === "drop") {
      caller.resetAndDestroy();
      return;
    }
    const daemon = tcpConnect({ ...this.#target, noDelay: true });
    const pair: Pair = {
      forth: new Direction(caller, daemon),
      back: new Direction(daemon, caller),
      sockets: [caller, daemon],
    };
    this.#pairs.add(pair);
    for (const socket of pair.sockets) {
      // The close that follows an error ends the other side too.
      socket.on("error", () => undefined);
      socket.once("close", () => {
        this.#pairs.delete(pair);
        for (const other of pair.sockets) other.destroy();
      });
    }
    this.#apply(pair);
  }

  #apply({ forth, back }: Pair): void {
    forth.hold(this.#cut === "stall" || this.#cut === "forth");
    back.hold(this.#cut === "stall" || this.#cut === "back");
  }
}

/** One direction of one connection. */
class Direction {
  readonly #from: Socket;
  #held = false;
  #full = false;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    from.on("data", (chunk: Buffer) => {
      this.#full = !to.write(chunk);
      this.#flow();
    });
    from.on("end", () => to.end());
    to.on("drain", () => {
      this.#full = false;
      this.#flow();
    });
  }

  hold(held: boolean): void {
    this.#held = held;
    this.#flow();
  }

  #flow(): void {
    if (this.#held || this.#full) this.#from.pause();
    else this.#from.resume();
  }
}
