/** Draws in the words of the simulation, from one seeded generator. */
import type { Prng } from "#std";

export class Chance {
  readonly #prng: Prng;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  /** True in `percent` of a hundred cases. */
  percent(percent: number): boolean {
    return this.#prng.below(1_000) < percent * 10;
  }

  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number {
    return from + this.#prng.below(to - from + 1);
  }

  pick<T>(items: readonly T[]): T {
    return this.#prng.pick(items);
  }

  /** One of the keys, each as often as its weight says. */
  weighted<K extends string>(weights: { readonly [Key in K]: number }): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = this.#prng.below(entries.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [key, weight] of entries) {
      if (left < weight) return key;
      left -= weight;
    }
    return this.#prng.pick(entries)[0];
  }

  fraction(): number {
    return this.#prng.float();
  }

  fork(label: string): Chance {
    return new Chance(this.#prng.fork(label));
  }

  get prng(): Prng {
    return this.#prng;
  }
}
