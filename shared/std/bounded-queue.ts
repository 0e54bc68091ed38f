/**
 * First in, first out, with a bound. A full queue says so at once and keeps what it has; it never grows past its capacity.
 * A ring over an array that doubles up to the capacity, so that thousands of idle queues cost next to nothing.
 */
import { assert } from "./assert.ts";

const SLOTS_AT_START = 16;

/** A FIFO queue of at most `capacity` items. Every operation is O(1), `drain` O(items taken). */
export class BoundedQueue<T> {
  readonly capacity: number;
  #slots: (T | undefined)[];
  #head = 0;
  #size = 0;

  /** `capacity`: items, a whole number from 1. */
  constructor(options: { readonly capacity: number }) {
    assert(Number.isSafeInteger(options.capacity) && options.capacity >= 1, "a queue holds at least one item");
    this.capacity = options.capacity;
    this.#slots = new Array<T | undefined>(Math.min(SLOTS_AT_START, options.capacity)).fill(undefined);
  }

  /** Items waiting now. Tells an empty queue from one whose next item is `undefined`. */
  get size(): number {
    return this.#size;
  }

  /** True when the next push would be refused. */
  get full(): boolean {
    return this.#size === this.capacity;
  }

  /** Puts `item` last. False, and nothing changed, when the queue is full. */
  push(item: T): boolean {
    if (this.#size === this.capacity) return false;
    if (this.#size === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#size) % this.#slots.length] = item;
    this.#size += 1;
    return true;
  }

  /** The item that `shift` would return, left in place. */
  peek(): T | undefined {
    return this.#slots[this.#head];
  }

  /** Takes the first item; undefined when the queue is empty. */
  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.#slots.length;
    this.#size -= 1;
    return item;
  }

  /** Takes up to `itemsMax` items (default: all of them), oldest first. */
  drain(itemsMax: number = this.#size): T[] {
    const taken: T[] = [];
    while (taken.length < itemsMax && this.#size > 0) taken.push(this.shift() as T);
    return taken;
  }

  #grow(): void {
    const slots = new Array<T | undefined>(Math.min(this.#slots.length * 2, this.capacity)).fill(undefined);
    for (let index = 0; index < this.#size; index += 1) {
      slots[index] = this.#slots[(this.#head + index) % this.#slots.length];
    }
    this.#slots = slots;
    this.#head = 0;
  }
}
