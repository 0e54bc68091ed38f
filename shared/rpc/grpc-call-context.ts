/** The call context of a grpc-js call. What a handler does not ask for is not made. */
import type { Metadata } from "@grpc/grpc-js";
import type { Clock, TraceContext } from "#ports";
import type { CallContext } from "./service-handlers.ts";
import { readTraceContext } from "./trace-context.ts";

/** What grpc-js calls of every kind have in common. */
export interface GrpcCall {
  readonly metadata: Metadata;
  getPeer(): string;
  getDeadline(): Date | number;
}

export class GrpcCallContext implements CallContext {
  readonly #call: GrpcCall;
  readonly #clock: Pick<Clock, "wallMs">;
  #controller: AbortController | undefined;
  #abortReason: Error | undefined;

  constructor(call: GrpcCall, clock: Pick<Clock, "wallMs">) {
    this.#call = call;
    this.#clock = clock;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  get deadlineLeftMs(): number | undefined {
    const deadline = Number(this.#call.getDeadline());
    return Number.isFinite(deadline) ? Math.max(0, deadline - this.#clock.wallMs()) : undefined;
  }

  get peer(): string {
    return this.#call.getPeer();
  }

  get trace(): TraceContext | undefined {
    return readTraceContext((name) => this.header(name));
  }

  header(name: string): string | undefined {
    const [value] = this.#call.metadata.get(name);
    return typeof value === "string" ? value : undefined;
  }

  /** The call is over before its answer. */
  abort(reason: Error): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }
}
