/**
 * A sorted list that knows ranks and sums: every item has its place in an order and adds to a measure, and both "how many stand before"
 * and "how much do those before come to" are answered without walking over them. A tree of chunks, at most CHUNK_WIDTH wide; a chunk that
 * grows too wide is split, one that is empty is dropped. Everything but iterating takes O(log n) steps of at most CHUNK_WIDTH.
 *
 * The order must not change while items stand here, and no two items may be equal in it.
 */
import { assert, InvariantError } from "./assert.ts";

const CHUNK_WIDTH = 32;

/** A measure that adds up over items in any grouping. A total is written to, so that summing leaves no garbage. */
export interface Measure<T, M> {
  /** A total of nothing. */
  zero(): M;
  addItem(total: M, item: T): void;
  addTotal(total: M, other: M): void;
  /** Takes an item from a total, or answers false where the total must be summed up anew; absent: always anew. */
  takeItem?(total: M, item: T): boolean;
}

export interface RankedListOptions<K, T, M> {
  /** Below zero when `a` stands before `b`; zero only for one and the same. */
  readonly compare: (a: K, b: K) => number;
  readonly measure: Measure<T, M>;
}

/** What is looked for. `among` may be asked of the total of many items: false means that none of them is wanted. */
export interface Wanted<T, M> {
  readonly among: (total: M) => boolean;
  readonly is: (item: T) => boolean;
}

export interface Found<T, M> {
  readonly item: T;
  /** How many stand before it. */
  readonly rank: number;
  /** The total of those before it. */
  readonly before: M;
}

/** A leaf has items, any other chunk has parts. */
interface Chunk<T, M> {
  first: T;
  size: number;
  total: M;
  readonly items: T[] | undefined;
  readonly parts: Chunk<T, M>[] | undefined;
}

/** Items of type T, placed by what of them is K. */
export class RankedList<K, T extends K, M> {
  readonly #compare: (a: K, b: K) => number;
  readonly #measure: Measure<T, M>;
  #root: Chunk<T, M> | undefined;

  constructor({ compare, measure }: RankedListOptions<K, T, M>) {
    this.#compare = compare;
    this.#measure = measure;
  }

  get size(): number {
    return this.#root?.size ?? 0;
  }

  /** The total of all; must not be written to. */
  get total(): M {
    return this.#root?.total ?? this.#measure.zero();
  }

  /** Throws InvariantError when an equal one stands here. */
  add(item: T): void {
    if (this.#root === undefined) {
      this.#root = this.#chunk([item], undefined);
      return;
    }
    const right = this.#insert(this.#root, item);
    if (right) this.#root = this.#chunk(undefined, [this.#root, right]);
  }

  /** Throws InvariantError when it does not stand here. */
  remove(item: T): void {
    assert(this.#root !== undefined, "nothing can be removed from an empty list");
    this.#take(this.#root, item);
    if (this.#root.size === 0) this.#root = undefined;
    while (this.#root?.parts?.length === 1) this.#root = this.#root.parts[0];
  }

  /** The item of this rank, from 0. */
  at(rank: number): T | undefined {
    if (!(rank >= 0 && rank < this.size)) return undefined;
    return this.#find(this.#root, rank, EVERYTHING)?.item;
  }

  /** How many stand before `key`, which need not stand here, and their total. */
  placeOf(key: K): { readonly rank: number; readonly before: M } {
    const before = this.#measure.zero();
    return { rank: this.#descend(key, before), before };
  }

  /** The total of those that stand before `key`, which need not stand here. */
  before(key: K): M {
    return this.placeOf(key).before;
  }

  /** The first item of rank `from` or more that is wanted. */
  find(from: number, wanted: Wanted<T, M>): Found<T, M> | undefined {
    return this.#find(this.#root, Math.max(0, from), wanted);
  }

  *[Symbol.iterator](): Generator<T, void> {
    if (this.#root) yield* itemsOf(this.#root);
  }

  #chunk(items: T[] | undefined, parts: Chunk<T, M>[] | undefined): Chunk<T, M> {
    const first = (items ? items[0] : parts?.[0]?.first) as T;
    const chunk: Chunk<T, M> = { first, size: 0, total: this.#measure.zero(), items, parts };
    this.#sumUp(chunk);
    return chunk;
  }

  /** How many of these, which are sorted, stand before the key. */
  #countBefore(items: readonly T[], key: K): number {
    let [low, high] = [0, items.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(items[middle] as T, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The last part that begins at or before the key; the first where none does. */
  #partFor(parts: readonly Chunk<T, M>[], key: K): number {
    let [low, high] = [1, parts.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare((parts[middle] as Chunk<T, M>).first, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Answers the right half when the chunk had to be split. */
  #insert(chunk: Chunk<T, M>, item: T): Chunk<T, M> | undefined {
    if (chunk.items) {
      const at = this.#countBefore(chunk.items, item);
      const next = chunk.items[at];
      if (next !== undefined && this.#compare(next, item) === 0) throw new InvariantError("an item is added twice");
      chunk.items.splice(at, 0, item);
    } else {
      const parts = partsOf(chunk);
      const at = this.#partFor(parts, item);
      const right = this.#insert(parts[at] as Chunk<T, M>, item);
      if (right) parts.splice(at + 1, 0, right);
    }
    chunk.size += 1;
    chunk.first = firstOf(chunk);
    this.#measure.addItem(chunk.total, item);
    return this.#split(chunk);
  }

  #split(chunk: Chunk<T, M>): Chunk<T, M> | undefined {
    const width = (chunk.items ?? partsOf(chunk)).length;
    if (width <= CHUNK_WIDTH) return undefined;
    // What is added in order, as most is, leaves full chunks behind it rather than half ones.
    const keep = (CHUNK_WIDTH * 3) >> 2;
    const right = this.#chunk(chunk.items?.splice(keep), chunk.parts?.splice(keep));
    this.#sumUp(chunk);
    return right;
  }

  #take(chunk: Chunk<T, M>, item: T): void {
    if (chunk.items) {
      const at = this.#countBefore(chunk.items, item);
      const found = chunk.items[at];
      if (found === undefined || this.#compare(found, item) !== 0) throw new InvariantError("an item is not here");
      chunk.items.splice(at, 1);
    } else {
      const parts = partsOf(chunk);
      const at = this.#partFor(parts, item);
      const part = parts[at] as Chunk<T, M>;
      this.#take(part, item);
      if (part.size === 0) parts.splice(at, 1);
    }
    if (chunk.size > 1 && this.#measure.takeItem?.(chunk.total, item) === true) {
      chunk.size -= 1;
      chunk.first = firstOf(chunk);
    } else {
      this.#sumUp(chunk);
    }
  }

  /** Not every total can be taken from: one that stops at a largest amount does not know what went into it. */
  #sumUp(chunk: Chunk<T, M>): void {
    const total = this.#measure.zero();
    let size = 0;
    for (const item of chunk.items ?? []) {
      this.#measure.addItem(total, item);
      size += 1;
    }
    for (const part of chunk.parts ?? []) {
      this.#measure.addTotal(total, part.total);
      size += part.size;
    }
    chunk.total = total;
    chunk.size = size;
    if (size > 0) chunk.first = firstOf(chunk);
  }

  #descend(key: K, total: M): number {
    let rank = 0;
    let chunk = this.#root;
    while (chunk?.parts) {
      const at = this.#partFor(chunk.parts, key);
      for (let i = 0; i < at; i += 1) {
        const part = chunk.parts[i] as Chunk<T, M>;
        rank += part.size;
        this.#measure.addTotal(total, part.total);
      }
      chunk = chunk.parts[at];
    }
    const items = chunk?.items ?? [];
    const before = this.#countBefore(items, key);
    for (let i = 0; i < before; i += 1) this.#measure.addItem(total, items[i] as T);
    return rank + before;
  }

  #find(root: Chunk<T, M> | undefined, from: number, wanted: Wanted<T, M>): Found<T, M> | undefined {
    if (root === undefined) return undefined;
    const before = this.#measure.zero();
    const passed = { rank: 0, before };
    const item = this.#search(root, from, { wanted, passed });
    return item === undefined ? undefined : { item, rank: passed.rank, before };
  }

  /** Passes over what stands before `from`, and over what is not wanted; counts both. */
  #search(chunk: Chunk<T, M>, from: number, search: Search<T, M>): T | undefined {
    const { wanted, passed } = search;
    if (passed.rank + chunk.size <= from || !wanted.among(chunk.total)) {
      passed.rank += chunk.size;
      this.#measure.addTotal(passed.before, chunk.total);
      return undefined;
    }
    for (const item of chunk.items ?? []) {
      if (passed.rank >= from && wanted.is(item)) return item;
      passed.rank += 1;
      this.#measure.addItem(passed.before, item);
    }
    for (const part of chunk.parts ?? []) {
      const item = this.#search(part, from, search);
      if (item !== undefined) return item;
    }
    return undefined;
  }
}

interface Search<T, M> {
  readonly wanted: Wanted<T, M>;
  readonly passed: { rank: number; readonly before: M };
}

const EVERYTHING = { among: () => true, is: () => true } as const;

function partsOf<T, M>({ parts }: Chunk<T, M>): Chunk<T, M>[] {
  assert(parts !== undefined, "a chunk has items or parts");
  return parts;
}

function firstOf<T, M>({ items, parts }: Chunk<T, M>): T {
  return (items ? items[0] : parts?.[0]?.first) as T;
}

function* itemsOf<T, M>({ items, parts }: Chunk<T, M>): Generator<T, void> {
  if (items) yield* items;
  for (const part of parts ?? []) yield* itemsOf(part);
}
