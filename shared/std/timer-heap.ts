/**
 * What is due when: a binary min-heap ordered by (atMs, order of insertion), so that equal times come out in the order they went in
 * and two machines fed the same entries agree. It holds times, it keeps none: the caller says what time it is.
 * There is no removal. A timer that no longer matters stays until due, and the caller, who knows what is live, ignores it then;
 * `retain` sweeps the dead ones out when they have become many.
 */
import { assert } from "./assert.ts";

/** A timer: `key` is due at `atMs` (milliseconds on whatever clock the caller uses). */
export interface Timer<K> {
  readonly atMs: number;
  readonly key: K;
}

interface Entry<K> extends Timer<K> {
  readonly sequence: number;
}

function isBefore<K>(left: Entry<K>, right: Entry<K>): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.sequence < right.sequence);
}

/** Timers in the order they are due. `push` and `popDue` are O(log n), `peek` is O(1). */
export class TimerHeap<K> {
  #entries: Entry<K>[] = [];
  #sequence = 0;

  /** Timers held, dead ones included. */
  get size(): number {
    return this.#entries.length;
  }

  /** Adds a timer. The same key may stand in the heap any number of times. */
  push(timer: Timer<K>): void {
    assert(Number.isFinite(timer.atMs), "a timer needs a finite time");
    this.#entries.push({ atMs: timer.atMs, key: timer.key, sequence: this.#sequence });
    this.#sequence += 1;
    this.#siftUp(this.#entries.length - 1);
  }

  /** The timer that is due first, left in place; undefined when there is none. */
  peek(): Timer<K> | undefined {
    return this.#entries[0];
  }

  /** Takes the first timer with `atMs` at or before `nowMs`; undefined when none is due. Call it until then. */
  popDue(nowMs: number): Timer<K> | undefined {
    const first = this.#entries[0];
    if (first === undefined || first.atMs > nowMs) return undefined;
    const last = this.#entries.pop() as Entry<K>;
    if (this.#entries.length > 0) {
      this.#entries[0] = last;
      this.#siftDown(0);
    }
    return first;
  }

  /** Keeps only the timers for which `isLive` is true, in O(n); their order stays as it was. */
  retain(isLive: (timer: Timer<K>) => boolean): void {
    this.#entries = this.#entries.filter(isLive);
    for (let index = (this.#entries.length >> 1) - 1; index >= 0; index -= 1) this.#siftDown(index);
  }

  #siftUp(start: number): void {
    const entry = this.#entries[start] as Entry<K>;
    let index = start;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#entries[above] as Entry<K>;
      if (!isBefore(entry, parent)) break;
      this.#entries[index] = parent;
      index = above;
    }
    this.#entries[index] = entry;
  }

  #siftDown(start: number): void {
    const entry = this.#entries[start] as Entry<K>;
    let index = start;
    for (;;) {
      let below = 2 * index + 1;
      let child = this.#entries[below];
      if (child === undefined) break;
      const other = this.#entries[below + 1];
      if (other !== undefined && isBefore(other, child)) {
        child = other;
        below += 1;
      }
      if (!isBefore(child, entry)) break;
      this.#entries[index] = child;
      index = below;
    }
    this.#entries[index] = entry;
  }
}
