/** One call between two hosts: two pipes, the two ends, and how each end learns that the other is gone. */
import { status as Code, type Metadata } from "@grpc/grpc-js";
import type { MethodDescriptor } from "../../../shared/rpc/service-handlers.ts";
import type { VirtualProcess } from "../../../shared/tier/testing/virtual-clock.ts";
import { ClientEnd, ServerEnd, type Status } from "./ends.ts";
import type { Network } from "./network.ts";
import { Pipe } from "./pipe.ts";

/** What a server gives the network for one of its methods: the implementation that shared/rpc made for grpc-js. */
export interface ServedMethod {
  readonly methodKind: MethodDescriptor["methodKind"];
  readonly implementation: (call: unknown, callback: (fault: Status | null, answer?: Buffer) => void) => void;
}

export interface CallOrder {
  readonly path: string;
  readonly from: string;
  readonly to: string;
  readonly process: VirtualProcess;
  readonly metadata: Metadata;
  /** Absent when the request is a stream. */
  readonly request: Buffer | undefined;
  /** Milliseconds from now by the caller's clock; undefined: none. */
  readonly timeoutMs: number | undefined;
  readonly emptyMetadata: () => Metadata;
}

const HEADER_BYTES = 200;

export class Call {
  readonly order: CallOrder;
  readonly client: ClientEnd;
  readonly #network: Network;
  readonly #up: Pipe;
  readonly #down: Pipe;
  #server: ServerEnd | undefined;
  #serverProcess: VirtualProcess | undefined;
  #cancelTimeout: () => void = () => undefined;
  #clientOver = false;
  #serverOver = false;

  constructor(network: Network, order: CallOrder) {
    this.#network = network;
    this.order = order;
    const { clock } = network;
    const { from, to, process } = order;
    this.#up = new Pipe({ clock, route: network.route(from, to), to: () => this.#serverProcess });
    this.#down = new Pipe({ clock, route: network.route(to, from), to: () => process });
    this.client = new ClientEnd({
      write: (bytes, sent) => {
        network.carried({ call: this, up: true, bytes });
        const deliver = () => this.#server?.data(bytes);
        this.#up.send(bytes.byteLength, deliver, () => process.run(sent));
      },
      end: () => this.#up.send(0, () => this.#server?.ended()),
      cancel: () => this.#cancel(Code.CANCELLED, "cancelled by its caller"),
    });
    if (order.timeoutMs !== undefined) {
      this.#cancelTimeout = process.after(order.timeoutMs, () =>
        this.#cancel(Code.DEADLINE_EXCEEDED, "deadline passed"),
      );
    }
    network.carried({ call: this, up: true, bytes: order.request ?? Buffer.alloc(0) });
    this.#up.send(HEADER_BYTES + (order.request?.byteLength ?? 0), () => this.#arrive());
  }

  get over(): boolean {
    const client = this.#clientOver || this.order.process.ended;
    return client && (this.#serverOver || this.#server === undefined || this.#serverProcess?.ended === true);
  }

  /** Runs between these two hosts, whichever of them called. */
  isBetween(a: string, b: string): boolean {
    const { from, to } = this.order;
    return (from === a && to === b) || (from === b && to === a);
  }

  /** One of its ends is in this process; a call that is still on its way to it is not. */
  isOf(process: VirtualProcess): boolean {
    return this.order.process === process || this.#serverProcess === process;
  }

  #arrive(): void {
    const { order } = this;
    const host = this.#network.hostAt(order.to);
    if (!host || host.process.ended) {
      this.#reset(`nobody listens at ${order.to}`);
      return;
    }
    this.#serverProcess = host.process;
    host.process.run(() => this.#serve(host.methods.get(order.path)));
  }

  #serve(method: ServedMethod | undefined): void {
    const { order } = this;
    if (this.#serverOver) return;
    if (!method) {
      this.#answer({
        code: Code.UNIMPLEMENTED,
        details: `${order.path} is not known`,
        metadata: order.emptyMetadata(),
      });
      return;
    }
    const { request, metadata, from, timeoutMs } = order;
    const server = new ServerEnd({
      metadata,
      peer: from,
      request,
      deadline: timeoutMs === undefined ? Number.POSITIVE_INFINITY : (this.#serverProcess?.wallMs() ?? 0) + timeoutMs,
      write: (bytes, sent) => this.#send(bytes, sent),
      end: () => this.#answer(this.#ok()),
      fail: (status) => this.#answer(status),
    });
    this.#server = server;
    method.implementation(server, (fault, answer) => {
      if (!fault) this.#send(answer ?? Buffer.alloc(0), () => undefined);
      this.#answer(fault ?? this.#ok());
    });
  }

  #send(bytes: Buffer, sent: () => void): void {
    this.#network.carried({ call: this, up: false, bytes });
    const sender = this.#serverProcess;
    this.#down.send(
      bytes.byteLength,
      () => this.client.data(bytes),
      () => sender?.run(sent),
    );
  }

  #ok(): Status {
    return { code: Code.OK, details: "", metadata: this.order.emptyMetadata() };
  }

  /** The server has ended the call. */
  #answer(status: Status): void {
    this.#serverOver = true;
    this.#network.ended(this, status);
    this.#down.send(HEADER_BYTES, () => {
      this.#endClient();
      this.client.status(status);
    });
  }

  #endClient(): void {
    this.#clientOver = true;
    this.#cancelTimeout();
    if (this.over) this.#network.forget(this);
  }

  /** The caller gives the call up; the server hears of it. */
  #cancel(code: number, details: string): void {
    if (this.#clientOver) return;
    this.#up.send(0, () => this.#endServer());
    this.#up.sever();
    this.#breakClient(code, details);
  }

  #endServer(): void {
    if (this.#serverOver) return;
    this.#serverOver = true;
    this.#up.close();
    this.#server?.cancelled();
    if (this.over) this.#network.forget(this);
  }

  #breakClient(code: number, details: string): void {
    if (this.#clientOver) return;
    this.#down.close();
    this.#endClient();
    const status = { code, details, metadata: this.order.emptyMetadata() };
    this.order.process.soon(() => this.client.broken(status));
  }

  #reset(why: string): void {
    this.#down.send(0, () => this.#breakClient(Code.UNAVAILABLE, why));
  }

  /** The stream is lost: what is sent from now on is gone, and each side learns of it after its own time. */
  lose({ clientAfterMs, serverAfterMs }: { readonly clientAfterMs: number; readonly serverAfterMs: number }): void {
    const { clock } = this.#network;
    this.#up.sever();
    this.#down.sever();
    clock.after(clientAfterMs, () =>
      this.order.process.run(() => this.#breakClient(Code.UNAVAILABLE, "connection lost")),
    );
    clock.after(serverAfterMs, () => this.#loseServer());
  }

  #loseServer(): void {
    const process = this.#serverProcess;
    if (process) process.run(() => this.#endServer());
    else {
      // It never arrived anywhere.
      this.#serverOver = true;
      this.#up.close();
    }
    if (this.over) this.#network.forget(this);
  }
}
