/**
 * DuplexStream over grpc-js, for both sides: decoding, the bounded send queue, and one clear end. What differs between a
 * server's and a client's side of a call is in `side`.
 */
import type { Readable, Writable } from "node:stream";
import { RefusalError } from "#errors";
import type { DuplexStream } from "./duplex-stream.ts";
import type { MessageCodec } from "./message-codec.ts";
import { SendQueue } from "./send-queue.ts";

/** How one side of a call ends it. */
export interface StreamSide {
  /** A server's end is the end of the call, after its last words; a client's end leaves it listening, and its failure cancels at once. */
  readonly role: "server" | "client";
  /** Answers the call before there is anything to send; nothing when something was sent. */
  accept?(): void;
  /** Everything has been sent and nothing more comes. */
  finish(): void;
  /** The call fails; on a server with this failure's status, on a client by cancelling. */
  fail(failure: unknown): void;
  /** The call ended otherwise than by its user: refused by the stream itself, or by the peer. */
  ended(failure: Error): void;
  /** The user closed with a failure when the call was over already: nobody will hear of it, unless it is reported. */
  failedLate(failure: unknown): void;
}

export interface GrpcStreamOptions {
  /** Absent on a side that receives no stream. */
  readonly readable?: Readable;
  /** Absent on a side that sends no stream. */
  readonly writable?: Writable;
  readonly incoming: MessageCodec;
  readonly outgoing: MessageCodec;
  readonly side: StreamSide;
}

export class GrpcStream<In, Out> implements DuplexStream<In, Out> {
  readonly #readable: Readable | undefined;
  readonly #incoming: MessageCodec;
  readonly #outgoing: MessageCodec;
  readonly #side: StreamSide;
  readonly #queue: SendQueue | undefined;
  #onEnd: ((failure?: Error) => void) | undefined;
  #onDrain: (() => void) | undefined;
  /** The end, kept for a handler that registers later. */
  #end: { readonly failure?: Error } | undefined;
  /** The user has closed this side: no more sends. */
  #closed = false;
  /** The call is over: nothing is sent, nothing delivered. */
  #over = false;

  constructor({ readable, writable, incoming, outgoing, side }: GrpcStreamOptions) {
    this.#readable = readable;
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#side = side;
    this.#queue = writable && new SendQueue({ writable, onDrain: () => this.#onDrain?.() });
  }

  onMessage(take: (message: In) => void): void {
    this.#readable?.on("data", (bytes: Buffer) => {
      if (this.#over || (this.#closed && this.#side.role === "server")) return;
      try {
        take(this.#incoming.decode(bytes) as In);
      } catch (failure) {
        this.#break(failure);
      }
    });
  }

  onEnd(take: (failure?: Error) => void): void {
    this.#onEnd = take;
    if (this.#end !== undefined) take(this.#end.failure);
  }

  onDrain(take: () => void): void {
    this.#onDrain = take;
  }

  send(message: Out): boolean {
    if (this.#closed || this.#over || this.#queue === undefined) return false;
    try {
      const complete = this.#outgoing.complete(message);
      const answer = this.#queue.push(this.#outgoing.encode(complete), this.#outgoing.items(complete));
      if (answer !== "overflow") return answer === "sent";
      throw new RefusalError({
        reason: "READER_TOO_SLOW",
        message: "the reader of this stream does not read; open it again",
      });
    } catch (failure) {
      this.#break(failure);
      return false;
    }
  }

  close(failure?: unknown): void {
    if (this.#closed || this.#over) {
      if (failure !== undefined) this.#side.failedLate(failure);
      return;
    }
    this.#closed = true;
    if (failure === undefined) {
      this.#flush(() => this.#finish());
    } else if (this.#side.role === "server") {
      this.#flush(() => this.#fail(failure));
    } else {
      this.#queue?.clear();
      this.#fail(failure);
    }
  }

  /** Nothing is sent or delivered any more. */
  get isOver(): boolean {
    return this.#over;
  }

  /** Tells the peer that it is heard, unless it knows or the call is over. */
  accept(): void {
    if (!this.#closed && !this.#over) this.#side.accept?.();
  }

  pause(): void {
    this.#readable?.pause();
  }

  resume(): void {
    this.#readable?.resume();
  }

  /** The peer has sent its last message; `over` = and it takes none either. */
  peerFinished({ over }: { readonly over: boolean }): void {
    if (this.#over) return;
    this.#over = over;
    this.#tellEnd({});
  }

  /** The call is lost, cancelled or refused by the other side. */
  peerFailed(failure: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#queue?.clear();
    this.#side.ended(failure);
    this.#tellEnd({ failure });
  }

  /** The call is ended from here, though not by its user: what waits is dropped. */
  abort(failure: Error): void {
    if (!this.#over) this.#break(failure);
  }

  #flush(action: () => void): void {
    if (this.#queue === undefined) action();
    else this.#queue.whenFlushed(() => this.#over || action());
  }

  #finish(): void {
    this.#over = this.#side.role === "server";
    this.#side.finish();
  }

  #fail(failure: unknown): void {
    this.#over = true;
    this.#side.fail(failure);
  }

  #break(reason: unknown): void {
    const failure = reason instanceof Error ? reason : new Error(String(reason));
    this.#queue?.clear();
    this.#fail(failure);
    this.#side.ended(failure);
    this.#tellEnd({ failure });
    // A sender that is cut off must not be held back for ever: its last frames are read and dropped.
    this.#readable?.resume();
  }

  #tellEnd(end: { readonly failure?: Error }): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#onEnd?.(end.failure);
  }
}
