/** Connections to the daemons of the tier below, one per address, dialled when first used. */

import type { Clock } from "#ports";
import { type Connection, connect } from "#rpc";
import { LIMITS } from "#std";

export class Peers {
  readonly #clock: Pick<Clock, "wallMs">;
  readonly #connections = new Map<string, Connection>();

  constructor(clock: Pick<Clock, "wallMs">) {
    this.#clock = clock;
  }

  at(address: string): Connection {
    const known = this.#connections.get(address);
    if (known) return known;
    const oldest = this.#connections.keys().next();
    if (this.#connections.size >= LIMITS.childDaemonsMax && !oldest.done) this.forget(oldest.value);
    const connection = connect({ address, clock: this.#clock });
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
