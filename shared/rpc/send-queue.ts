/**
 * What a stream has still to write. The transport gets a bounded number of bytes; the rest waits here, where it can be
 * counted and, when the reader is too slow, dropped.
 */
import type { Writable } from "node:stream";
import { BoundedQueue, LIMITS } from "#std";

interface Waiting {
  readonly bytes: Buffer;
  readonly items: number;
}

export interface SendQueueOptions {
  readonly writable: Writable;
  /** Called when `push` has answered "full" and everything waiting has gone to the transport. */
  readonly onDrain: () => void;
}

export class SendQueue {
  readonly #writable: Writable;
  readonly #onDrain: () => void;
  readonly #waiting = new BoundedQueue<Waiting>({ capacity: LIMITS.streamBacklogItemsMax });
  #inFlightBytes = 0;
  #waitingItems = 0;
  #waitingBytes = 0;
  #full = false;
  #whenFlushed: (() => void) | undefined;

  constructor({ writable, onDrain }: SendQueueOptions) {
    this.#writable = writable;
    this.#onDrain = onDrain;
  }

  /** "sent": go on. "full": taken, but wait for onDrain. "overflow": past the bounds, not taken. */
  push(bytes: Buffer, items: number): "sent" | "full" | "overflow" {
    if (this.#waiting.size === 0 && this.#inFlightBytes < LIMITS.streamInFlightBytesMax) {
      this.#write(bytes);
    } else {
      const itemsOver = this.#waitingItems + items > LIMITS.streamBacklogItemsMax;
      const bytesOver = this.#waitingBytes + bytes.byteLength > LIMITS.streamBacklogBytesMax;
      if (itemsOver || bytesOver || !this.#waiting.push({ bytes, items })) return "overflow";
      this.#waitingItems += items;
      this.#waitingBytes += bytes.byteLength;
    }
    this.#full = this.#waiting.size > 0 || this.#inFlightBytes >= LIMITS.streamInFlightBytesMax;
    return this.#full ? "full" : "sent";
  }

  /** Calls `action` when nothing waits any more; what is in flight the transport delivers by itself. */
  whenFlushed(action: () => void): void {
    if (this.#waiting.size === 0) action();
    else this.#whenFlushed = action;
  }

  /** Drops what waits. */
  clear(): void {
    this.#waiting.drain();
    this.#waitingItems = 0;
    this.#waitingBytes = 0;
  }

  #write(bytes: Buffer): void {
    this.#inFlightBytes += bytes.byteLength;
    // A failed write is not told here: the stream's own end tells it.
    this.#writable.write(bytes, () => this.#written(bytes.byteLength));
  }

  #written(byteLength: number): void {
    this.#inFlightBytes -= byteLength;
    while (this.#inFlightBytes < LIMITS.streamInFlightBytesMax) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#waitingItems -= next.items;
      this.#waitingBytes -= next.bytes.byteLength;
      this.#write(next.bytes);
    }
    if (this.#waiting.size > 0) return;
    this.#whenFlushed?.();
    this.#whenFlushed = undefined;
    if (!this.#full || this.#inFlightBytes >= LIMITS.streamInFlightBytesMax) return;
    this.#full = false;
    this.#onDrain();
  }
}
