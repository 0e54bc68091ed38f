/**
 * What becomes due when: items in buckets of time, removable in O(1), so that a million calls that end in time leave nothing behind.
 * An item fires when its whole bucket has passed, at most `bucketMs` late, in the order in which it was added.
 */
import { TimerHeap } from "#std";
import { NO_LIST } from "./collections.ts";

export class DueIndex<T> {
  readonly #bucketMs: number;
  readonly #buckets = new Map<number, Set<T>>();
  readonly #order = new TimerHeap<number>();

  constructor(bucketMs: number) {
    this.#bucketMs = bucketMs;
  }

  add(item: T, atMs: number): void {
    const bucket = Math.ceil(atMs / this.#bucketMs);
    const found = this.#buckets.get(bucket);
    if (found) {
      found.add(item);
      return;
    }
    this.#buckets.set(bucket, new Set([item]));
    this.#order.push({ atMs: bucket * this.#bucketMs, key: bucket });
  }

  /** Forgets the item that was added for `atMs`; harmless when it is not there. */
  remove(item: T, atMs: number): void {
    this.#buckets.get(Math.ceil(atMs / this.#bucketMs))?.delete(item);
  }

  /** Takes out everything whose bucket has passed at `nowMs`, earliest bucket first. */
  takeDue(nowMs: number): readonly T[] {
    const first = this.#order.peek();
    if (first === undefined || first.atMs > nowMs) return NO_LIST;
    const due: T[] = [];
    for (let next = this.#order.peek(); next !== undefined && next.atMs <= nowMs; next = this.#order.peek()) {
      this.#order.popDue(next.atMs);
      for (const item of this.#buckets.get(next.key) ?? []) due.push(item);
      this.#buckets.delete(next.key);
    }
    return due;
  }

  /** Everything that waits: earliest bucket first, in each in the order in which it was added. */
  *items(): Generator<T, void> {
    for (const [, items] of [...this.#buckets].sort(([a], [b]) => a - b)) yield* items;
  }

  /** When the earliest bucket that still holds something is due; undefined when nothing waits. */
  nextAtMs(): number | undefined {
    for (let next = this.#order.peek(); next !== undefined; next = this.#order.peek()) {
      if ((this.#buckets.get(next.key)?.size ?? 0) > 0) return next.atMs;
      this.#order.popDue(next.atMs);
      this.#buckets.delete(next.key);
    }
    return undefined;
  }
}
