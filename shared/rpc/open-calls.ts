/** The calls a server has open, so that a drain can wait for them and then end what is left with a clear status. */

export interface OpenCall {
  /** Ends the call from outside with this failure's status. */
  abort(failure: Error): void;
}

export class OpenCalls {
  readonly #calls = new Set<OpenCall>();
  #whenIdle: (() => void) | undefined;

  get size(): number {
    return this.#calls.size;
  }

  add(call: OpenCall): void {
    this.#calls.add(call);
  }

  /** Forgets a call that is over; a second time changes nothing. */
  delete(call: OpenCall): void {
    if (!this.#calls.delete(call) || this.#calls.size > 0) return;
    this.#whenIdle?.();
    this.#whenIdle = undefined;
  }

  /** Calls `action` once, as soon as no call is open. */
  whenIdle(action: () => void): void {
    if (this.#calls.size === 0) action();
    else this.#whenIdle = action;
  }

  abortAll(failure: Error): void {
    for (const call of [...this.#calls]) call.abort(failure);
  }
}
