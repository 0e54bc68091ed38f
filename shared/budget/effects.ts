/**
 * The effects of requests by their keys: those of what goes on as objects, in the order in which they came, those of what has ended in the
 * memory of ended work.
 */
import { type HashSlots, type TextHash, TextMap } from "#std";

/** The memory of ended work, as far as effects are kept there. */
export interface EndedEffects<E> {
  readonly answers: number;
  has(key: string): boolean;
  answerTo(key: string): E | undefined;
}

export class Effects<E> {
  readonly #going: TextMap<E>;
  readonly #ended: EndedEffects<E>;

  /** `hash` and `index`: those of the keys in `ended`, so that a key is hashed and looked for once. */
  constructor(hash: TextHash, index: HashSlots, ended: EndedEffects<E>) {
    this.#going = new TextMap(hash, index);
    this.#ended = ended;
  }

  /** How many are kept, ended or not. */
  get size(): number {
    return this.#going.size + this.#ended.answers;
  }

  get(key: string): E | undefined {
    return this.#going.get(key) ?? this.#ended.answerTo(key);
  }

  has(key: string): boolean {
    return this.#going.has(key) || this.#ended.has(key);
  }

  /** Keeps the effect of a request that has none, or of which another stands while it goes on. */
  set(key: string, effect: E): void {
    this.#going.set(key, effect);
  }

  /** Takes out the effect of what goes on; undefined when there is none. */
  take(key: string): E | undefined {
    return this.#going.take(key);
  }

  /** The same; true when there was one. */
  delete(key: string): boolean {
    return this.#going.delete(key);
  }

  /** The effects of what goes on, in the order in which they came. */
  [Symbol.iterator](): Generator<[string, E], void> {
    return this.#going[Symbol.iterator]();
  }
}
