/**
 * An open-addressing table of references under 32-bit hashes, in one array of numbers: the index of what stands elsewhere, whose keys its
 * owner compares. Removal closes the gap, so that a table that turns over for ever stays as good as new.
 * Two owners of keys by one hash may share a table, one with even references, the other with odd ones: of hundreds of thousands each look at
 * a slot is a wait for memory, and who looks for a key with both waits once.
 */
import { assert } from "./assert.ts";

const SLOTS_MIN = 16;
const NOTHING = -1;

export class HashSlots {
  /** Of each slot the hash, and the reference with one added; 0 there is an empty slot. */
  #slots = new Int32Array(2 * SLOTS_MIN);
  #mask = SLOTS_MIN - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The first slot with this hash; -1 when there is none. Go on with `next`. */
  first(hash: number): number {
    return this.#from(hash & this.#mask, hash);
  }

  /** The slot with the same hash after that one; -1 when there is none. */
  next(slot: number, hash: number): number {
    return this.#from((slot + 1) & this.#mask, hash);
  }

  #from(start: number, hash: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = start; ; slot = (slot + 1) & mask) {
      if (slots[2 * slot + 1] === 0) return NOTHING;
      if (slots[2 * slot] === hash) return slot;
    }
  }

  refAt(slot: number): number {
    return (this.#slots[2 * slot + 1] as number) - 1;
  }

  /** Adds one; that it is not there is for the owner to know. `ref`: 0 … 2^31-2. */
  add(hash: number, ref: number): void {
    assert(ref >= 0 && ref < 0x7fff_ffff, "a reference fits into 31 bits");
    this.#size += 1;
    // At most five eighths are taken: what is not there is noticed after two or three slots, which lie side by side.
    if (this.#size * 8 > (this.#mask + 1) * 5) this.#resize(2 * (this.#mask + 1));
    this.#put(hash, ref + 1);
  }

  #put(hash: number, stored: number): void {
    const slots = this.#slots;
    let slot = hash & this.#mask;
    while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & this.#mask;
    slots[2 * slot] = hash;
    slots[2 * slot + 1] = stored;
  }

  /** Removes the one that stands under `hash` with `ref`, which must be there. */
  remove(hash: number, ref: number): void {
    this.removeAt(this.#slotWith(hash, ref));
  }

  /** Puts another reference in the place of the one that stands under `hash` with `ref`, which must be there. */
  replace(hash: number, ref: number, other: number): void {
    this.#slots[2 * this.#slotWith(hash, ref) + 1] = other + 1;
  }

  #slotWith(hash: number, ref: number): number {
    let slot = this.first(hash);
    while (slot !== NOTHING && this.refAt(slot) !== ref) slot = this.next(slot, hash);
    assert(slot !== NOTHING, "what is changed in a table stands in it");
    return slot;
  }

  removeAt(slot: number): void {
    this.#size -= 1;
    const slots = this.#slots;
    const mask = this.#mask;
    let gap = slot;
    for (let at = (gap + 1) & mask; slots[2 * at + 1] !== 0; at = (at + 1) & mask) {
      const home = (slots[2 * at] as number) & mask;
      // It may move into the gap unless it stands between the gap and its home.
      if (((at - home) & mask) < ((at - gap) & mask)) continue;
      slots[2 * gap] = slots[2 * at] as number;
      slots[2 * gap + 1] = slots[2 * at + 1] as number;
      gap = at;
    }
    slots[2 * gap + 1] = 0;
    if (mask >= SLOTS_MIN && this.#size * 8 < mask) this.#resize((mask + 1) / 2);
  }

  /**
   * Replaces each even reference by twice what stands at its half in `halves`: for the owner of these, who has moved what they refer to. Goes
   * through the whole table: where most of it is another's, `replace` is for each.
   */
  renumberEven(halves: Int32Array): void {
    const slots = this.#slots;
    for (let at = 1; at < slots.length; at += 2) {
      const ref = (slots[at] as number) - 1;
      if (ref >= 0 && ref % 2 === 0) slots[at] = 2 * (halves[ref / 2] as number) + 1;
    }
  }

  #resize(slots: number): void {
    const old = this.#slots;
    this.#slots = new Int32Array(2 * slots);
    this.#mask = slots - 1;
    for (let at = 1; at < old.length; at += 2) {
      if (old[at] !== 0) this.#put(old[at - 1] as number, old[at] as number);
    }
  }
}
