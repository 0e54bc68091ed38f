/** Connections to the daemons of the tier below, one per address, dialled when first used. */
import type { Connection } from "#rpc";
import { LIMITS } from "#std";
import type { DaemonBase } from "./base.ts";

export class Peers {
  readonly #connect: DaemonBase["connect"];
  readonly #connections = new Map<string, Connection>();

  constructor({ connect }: Pick<DaemonBase, "connect">) {
    this.#connect = connect;
  }

  at(address: string): Connection {
    const known = this.#connections.get(address);
    if (known) return known;
    const oldest = this.#connections.keys().next();
    if (this.#connections.size >= LIMITS.childDaemonsMax && !oldest.done) this.forget(oldest.value);
    const connection = this.#connect(address);
    this.#connections.set(address, connection);
    return connection;
  }

  forget(address: string): void {
    this.#connections.get(address)?.close();
    this.#connections.delete(address);
  }

  close(): void {
    for (const address of [...this.#connections.keys()]) this.forget(address);
  }
}
