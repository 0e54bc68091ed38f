/** The two ends of a call as grpc-js shows them to shared/rpc: emitters with `write`, `end`, `cancel`, `pause` and `resume`. */
import { EventEmitter } from "node:events";
import type { Metadata } from "@grpc/grpc-js";
import { assert } from "#std";

/** Events of the reading half, kept while it is paused or nobody listens for data. */
class ReadingEnd extends EventEmitter {
  readonly #kept: (() => void)[] = [];
  #flows = false;

  override on(name: string, listener: (...args: never[]) => void): this {
    super.on(name, listener as (...args: unknown[]) => void);
    if (name === "data") this.resume();
    return this;
  }

  pause(): void {
    this.#flows = false;
  }

  resume(): void {
    this.#flows = true;
    while (this.#flows && this.#kept.length > 0) this.#kept.shift()?.();
  }

  /** In order with what was read before. */
  protected inTurn(event: () => void): void {
    if (this.#flows && this.#kept.length === 0) event();
    else this.#kept.push(event);
  }

  data(bytes: Buffer): void {
    this.inTurn(() => this.emit("data", bytes));
  }

  ended(): void {
    this.inTurn(() => this.emit("end"));
  }
}

export interface Status {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

export interface Sending {
  write(bytes: Buffer, sent: () => void): void;
  end(): void;
}

/** What a client holds: it writes, and hears messages and at last the status. */
export class ClientEnd extends ReadingEnd {
  readonly #sending: Sending & { readonly cancel: () => void };
  #over = false;

  constructor(sending: Sending & { readonly cancel: () => void }) {
    super();
    this.#sending = sending;
  }

  write(bytes: Buffer, sent: () => void = () => undefined): boolean {
    this.#sending.write(bytes, sent);
    return true;
  }

  end(): void {
    this.#sending.end();
  }

  cancel(): void {
    this.#sending.cancel();
  }

  /** The end of the call, behind every message that came before it. Only the first counts. */
  status(status: Status): void {
    if (this.#over) return;
    this.#over = true;
    this.ended();
    this.inTurn(() => {
      this.emit("status", status);
      if (status.code !== 0) this.emit("error", Object.assign(new Error(status.details), status));
    });
  }

  /** The call is lost or cancelled: nothing that was on its way is read any more. */
  broken(status: Status): void {
    if (this.#over) return;
    this.status(status);
    this.resume();
  }
}

export interface ServerEndOptions extends Sending {
  readonly metadata: Metadata;
  readonly peer: string;
  readonly deadline: number;
  /** The single request of a call that is no stream. */
  readonly request: Buffer | undefined;
  readonly fail: (status: Status) => void;
}

/** What a handler's adapter holds: it hears messages and writes, and ends the call with a status. */
export class ServerEnd extends ReadingEnd {
  readonly metadata: Metadata;
  readonly request: Buffer | undefined;
  readonly #options: ServerEndOptions;
  #over = false;

  constructor(options: ServerEndOptions) {
    super();
    this.#options = options;
    this.metadata = options.metadata;
    this.request = options.request;
    super.on("error", (status: Status) => {
      if (this.#over) return;
      this.#over = true;
      options.fail(status);
    });
  }

  getPeer(): string {
    return this.#options.peer;
  }

  getDeadline(): number {
    return this.#options.deadline;
  }

  write(bytes: Buffer, sent: () => void = () => undefined): boolean {
    if (!this.#over) this.#options.write(bytes, sent);
    return true;
  }

  /** Says to the caller that it is heard; here that is nothing to it. */
  sendMetadata(): void {
    assert(!this.#over, "the answer to a call that is over begins");
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.end();
  }

  /** By this name shared/rpc tells a call with a request stream from one without; it never pulls. */
  read(): null {
    return null;
  }

  /** The caller is gone, or has cancelled. */
  cancelled(): void {
    if (this.#over) return;
    this.#over = true;
    this.emit("cancelled");
  }
}
