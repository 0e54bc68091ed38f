/**
 * A map of texts, in the order in which they were added, as a Map is, for hundreds of thousands of entries: a third to a half of what Map
 * takes there, which follows a chain of entries through memory for each key. Seeded, so that nobody can choose keys that fall together;
 * order and content do not depend on the seed. While it is gone through, entries may be deleted but not added.
 */
import { InvariantError } from "./assert.ts";
import { HashSlots } from "./hash-slots.ts";
import type { TextHash } from "./text-hash.ts";

const ROOM_MIN = 16;
/** When the index has more entries than so many times the room here, most of it is another owner's: it is not gone through for ours. */
const SHARED_PARTS = 2;

export class TextMap<V> {
  readonly #hash: TextHash;
  /** Its references are even: twice the number of the entry. */
  readonly #index: HashSlots;
  #size = 0;
  /**
   * A key and its value in turn, side by side in memory, in the order of their adding; a deleted entry leaves a gap until the next packing.
   */
  readonly #entries: (string | V | undefined)[] = [];
  /** So many entries, gaps among them, may stand here before room is made. */
  #room = ROOM_MIN;
  /** How many were ever added. */
  #added = 0;

  /**
   * By a seed that callers do not know. A hash of its own, or one that another table of the same keys has, too; and an index of its own, or
   * one that it shares with another owner of keys by the same hash, who has the odd references.
   */
  constructor(hash: TextHash, index = new HashSlots()) {
    this.#hash = hash;
    this.#index = index;
  }

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    const slot = this.#slotOf(key, this.#hash.of(key));
    return slot < 0 ? undefined : this.#valueAt(this.#index.refAt(slot));
  }

  has(key: string): boolean {
    return this.#slotOf(key, this.#hash.of(key)) >= 0;
  }

  /** False only when no key with that hash is here: for who knows the hash of a key and would have to make the key. */
  mayHave(hash: number): boolean {
    return this.#index.first(hash) >= 0;
  }

  /** As with a Map, a key that is there keeps its place. */
  set(key: string, value: V): this {
    const hash = this.#hash.of(key);
    const slot = this.#slotOf(key, hash);
    if (slot >= 0) this.#entries[this.#index.refAt(slot) + 1] = value;
    else this.#append(key, value, hash);
    return this;
  }

  delete(key: string): boolean {
    return this.take(key) !== undefined;
  }

  /** Takes the entry out; undefined when there is none. */
  take(key: string): V | undefined {
    const slot = this.#slotOf(key, this.#hash.of(key));
    if (slot < 0) return undefined;
    const ref = this.#index.refAt(slot);
    const value = this.#valueAt(ref);
    this.#entries[ref] = undefined;
    this.#entries[ref + 1] = undefined;
    this.#index.removeAt(slot);
    this.#size -= 1;
    return value;
  }

  #slotOf(key: string, hash: number): number {
    const index = this.#index;
    let slot = index.first(hash);
    while (slot >= 0 && !this.#isAt(index.refAt(slot), key)) slot = index.next(slot, hash);
    return slot;
  }

  /** A reference is where the key stands; an odd one is another owner's. */
  #isAt(ref: number, key: string): boolean {
    return (ref & 1) === 0 && this.#entries[ref] === key;
  }

  /** What stands after a key was put in as a value. */
  #valueAt(ref: number): V {
    return this.#entries[ref + 1] as V;
  }

  #append(key: string, value: V, hash: number): void {
    if (this.#entries.length === 2 * this.#room) this.#makeRoom();
    this.#index.add(hash, this.#entries.length);
    this.#entries.push(key, value);
    this.#size += 1;
    this.#added += 1;
  }

  /** Packs the entries where half of the room or more is gaps, else doubles it: an entry is moved once for one that was added, at most. */
  #makeRoom(): void {
    const size = this.#size;
    if (size * 2 > this.#room) this.#room *= 2;
    else {
      this.#pack();
      if (size * 8 < this.#room) this.#room = Math.max(ROOM_MIN, this.#room / 2);
    }
  }

  #pack(): void {
    const entries = this.#entries;
    const isMostlyShared = this.#index.size > SHARED_PARTS * this.#room;
    const places = new Int32Array(isMostlyShared ? 0 : entries.length / 2);
    let count = 0;
    for (let entry = 0; 2 * entry < entries.length; entry += 1) {
      const key = entries[2 * entry];
      if (key === undefined) continue;
      entries[2 * count] = key;
      entries[2 * count + 1] = entries[2 * entry + 1];
      if (isMostlyShared) this.#index.replace(this.#hash.of(key as string), 2 * entry, 2 * count);
      else places[entry] = count;
      count += 1;
    }
    entries.length = 2 * count;
    if (!isMostlyShared) this.#index.renumberEven(places);
  }

  *[Symbol.iterator](): Generator<[string, V], void> {
    const added = this.#added;
    for (let ref = 0; ref < this.#entries.length; ref += 2) {
      const key = this.#entries[ref];
      if (key !== undefined) yield [key as string, this.#valueAt(ref)];
      if (added !== this.#added) throw new InvariantError("a map was added to while it was gone through");
    }
  }

  *keys(): Generator<string, void> {
    for (const [key] of this) yield key;
  }

  *values(): Generator<V, void> {
    for (const [, value] of this) yield value;
  }
}
