/** From push to pull, with a bound: a producer that does not wait on one side, one async iteration on the other. */
import { RefusalError } from "#errors";
import { assert, BoundedQueue, LIMITS } from "#std";

export interface FeedOptions {
  /** Items that may wait for the reader. Default LIMITS.streamBacklogItemsMax. */
  readonly itemsMax?: number;
  /** Called after the reader took an item, with the number still waiting. */
  readonly onTaken?: (waiting: number) => void;
  /** Called once when the reader leaves before the end. */
  readonly onLeft?: () => void;
}

interface Reader<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (failure: Error) => void;
}

/** One reader only. A reader that is too slow loses what waits and gets READER_TOO_SLOW. */
export class Feed<T> implements AsyncIterableIterator<T, undefined> {
  readonly #queue: BoundedQueue<T>;
  readonly #onTaken: ((waiting: number) => void) | undefined;
  readonly #onLeft: (() => void) | undefined;
  #over = false;
  #failure: Error | undefined;
  #reader: Reader<T> | undefined;

  constructor({ itemsMax = LIMITS.streamBacklogItemsMax, onTaken, onLeft }: FeedOptions = {}) {
    this.#queue = new BoundedQueue({ capacity: itemsMax });
    this.#onTaken = onTaken;
    this.#onLeft = onLeft;
  }

  /** Items waiting for the reader. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** The reader has everything and there was no failure: only the end is left to be told. */
  get isAtEnd(): boolean {
    return this.#over && this.#queue.size === 0 && this.#failure === undefined;
  }

  /** Hands one item over. False when the feed is over: ended, left by its reader, or overrun just now. */
  push(item: T): boolean {
    if (this.#over) return false;
    const reader = this.#reader;
    if (reader !== undefined) {
      this.#reader = undefined;
      reader.resolve({ value: item, done: false });
      return true;
    }
    if (this.#queue.push(item)) return true;
    this.#queue.drain();
    const message = `the reader did not read: more than ${this.#queue.capacity} items were waiting for it`;
    this.end(new RefusalError({ reason: "READER_TOO_SLOW", message }));
    return false;
  }

  /** No more items; the reader gets what waits, then the end or the failure. The first end counts. */
  end(failure?: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#failure = failure;
    const reader = this.#reader;
    this.#reader = undefined;
    if (failure === undefined) reader?.resolve({ value: undefined, done: true });
    else if (reader !== undefined) reader.reject(this.#takeFailure(failure));
  }

  /** One item that waits, at once; undefined when none does. For a reader that is not waiting for one. */
  take(): T | undefined {
    const item = this.#queue.shift();
    if (item !== undefined) this.#onTaken?.(this.#queue.size);
    return item;
  }

  /** Everything that waits, at once. For a reader that is not waiting for an item. */
  takeAll(): T[] {
    const items = this.#queue.drain();
    if (items.length > 0) this.#onTaken?.(0);
    return items;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    assert(this.#reader === undefined, "a feed has one reader, which waits for one item at a time");
    if (this.#queue.size > 0) {
      const value = this.#queue.shift() as T;
      this.#onTaken?.(this.#queue.size);
      return Promise.resolve({ value, done: false });
    }
    if (this.#failure !== undefined) return Promise.reject(this.#takeFailure(this.#failure));
    if (this.#over) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  /** The reader leaves: what waits is dropped, the producer is told. */
  return(): Promise<IteratorResult<T, undefined>> {
    const left = !this.#over || this.#queue.size > 0;
    this.#queue.drain();
    this.#failure = undefined;
    this.end();
    if (left) this.#onLeft?.();
    return Promise.resolve({ value: undefined, done: true });
  }

  /** A failure is told once; afterwards the feed is at its end. */
  #takeFailure(failure: Error): Error {
    this.#failure = undefined;
    return failure;
  }
}
