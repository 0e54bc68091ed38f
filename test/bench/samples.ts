/** Times that a bench takes by the hundred thousand: a typed array, so that they are nothing to collect while more are taken. */
const SAMPLES_MAX = 1 << 21;

export class Samples {
  readonly #times = new Float64Array(SAMPLES_MAX);
  #count = 0;

  /** Beyond its bound the rest is not counted. */
  add(time: number): void {
    if (this.#count < SAMPLES_MAX) this.#times[this.#count++] = time;
  }

  get count(): number {
    return this.#count;
  }

  /** Forgets what came after the first `count`. */
  keep(count: number): void {
    this.#count = Math.min(count, this.#count);
  }

  /** The value that `share` (0 … 1) of them do not exceed: nearest rank. NaN of nothing. */
  quantile(share: number): number {
    const sorted = this.#times.slice(0, this.#count).sort();
    return sorted[Math.max(0, Math.ceil(share * this.#count) - 1)] ?? Number.NaN;
  }
}

/** What a process that takes times is asked for, and what it answers: how many it has, or the quantiles. */
export type TimesAsked =
  | { readonly takeForMs: number; readonly counts: boolean }
  | { readonly quantiles: readonly number[] };
export type TimesAnswer = readonly number[];

/** Answers either; times that do not count are taken for warming up. */
export function timesAnswer(samples: Samples, take: (durationMs: number) => Promise<void>) {
  return async (asked: TimesAsked): Promise<TimesAnswer> => {
    if ("quantiles" in asked) return asked.quantiles.map((share) => samples.quantile(share));
    const before = samples.count;
    await take(asked.takeForMs);
    const took = samples.count - before;
    if (!asked.counts) samples.keep(before);
    return [took];
  };
}
