/**
 * Seeded random numbers for simulations, tests and jitter: the same seed gives the same numbers on every machine, for ever.
 * The generator is xoshiro128** 1.1 by David Blackman and Sebastiano Vigna (public domain). Not for secrets: tokens and ids that
 * must not be guessed come from the IdSource.
 */
import { assert } from "./assert.ts";
import { murmur128 } from "./fingerprint.ts";

const WORD_VALUES = 0x1_0000_0000;
const DRAW_VALUES = 2 ** 53;

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** One step of xoshiro128**: advances the four words of `state`, which must not all be zero, and returns 32 random bits. */
export function xoshiro128StarStar(state: Uint32Array): number {
  const [s0, s1, s2, s3] = state as unknown as [number, number, number, number];
  const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0;
  const third = s2 ^ s0;
  const fourth = s3 ^ s1;
  state[0] = s0 ^ fourth;
  state[1] = s1 ^ third;
  state[2] = third ^ (s1 << 9);
  state[3] = rotateLeft(fourth, 11);
  return result;
}

/** A seeded generator. Two generators of the same seed give the same sequence. */
export class Prng {
  /** What reproduces this generator: print it wherever a failure is reported. */
  readonly seed: string;
  readonly #state = new Uint32Array(4);

  /** `seed`: any text or number; 42 and "42" are the same seed. */
  constructor(seed: number | string) {
    this.seed = String(seed);
    murmur128(this.seed, this.#state);
    if (this.#state.every((word) => word === 0)) this.#state[0] = 1;
  }

  /** 32 random bits, 0 to 2^32-1. */
  nextUint32(): number {
    return xoshiro128StarStar(this.#state);
  }

  /** A whole number from 0 to `count`-1, each as likely as any other. `count`: 1 to 2^53-1. */
  below(count: number): number {
    assert(Number.isSafeInteger(count) && count >= 1, "below() needs a whole number from 1 to 2^53-1");
    const values = count <= WORD_VALUES ? WORD_VALUES : DRAW_VALUES;
    // Draws past the last full round are thrown away, or the low numbers would come a little more often.
    const fair = values - (values % count);
    for (;;) {
      const draw = values === WORD_VALUES ? this.nextUint32() : this.#next53Bits();
      if (draw < fair) return draw % count;
    }
  }

  /** A number from 0 to just under 1, with 53 random bits. */
  float(): number {
    return this.#next53Bits() / DRAW_VALUES;
  }

  /** One of `items`, each as likely as any other. `items` must not be empty. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /**
   * A generator of its own for `label`. It depends on this one's seed and the label, not on how many numbers were drawn, so that a
   * draw added in one part of a simulation leaves the other parts as they were. The same label gives the same generator.
   */
  fork(label: string): Prng {
    return new Prng(`${this.seed}>${label}`);
  }

  #next53Bits(): number {
    const high = this.nextUint32() >>> 11;
    return high * WORD_VALUES + this.nextUint32();
  }
}
