/** One way from a host to another: how long packets take, whether they pass, and how fast. */
import type { Prng } from "#std";

export interface Weather {
  /** Milliseconds under way, usually. */
  readonly latencyMs: number;
  /** Of a thousand packets, how many are delayed by up to `delayMsMax`. */
  readonly delayedPerMille: number;
  readonly delayMsMax: number;
  /** Bytes in a millisecond; 0: no bound. */
  readonly bytesPerMs: number;
}

export const FAIR: Weather = { latencyMs: 2, delayedPerMille: 5, delayMsMax: 200, bytesPerMs: 0 };

export class Route {
  weather: Weather = FAIR;
  /** Nothing passes; what is under way waits, as a transport repeats what was not received. */
  #cut = false;
  readonly #prng: Prng;
  readonly #whenHealed = new Set<() => void>();

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  get isCut(): boolean {
    return this.#cut;
  }

  cut(): void {
    this.#cut = true;
  }

  heal(): void {
    this.#cut = false;
    const waiting = [...this.#whenHealed];
    this.#whenHealed.clear();
    for (const go of waiting) go();
  }

  /** Calls `go` once when the way is open again. */
  whenHealed(go: () => void): void {
    this.#whenHealed.add(go);
  }

  /** Milliseconds that a packet of this size is under way. */
  takesMs(bytes: number): number {
    const { latencyMs, delayedPerMille, delayMsMax, bytesPerMs } = this.weather;
    const usual = this.#prng.below(latencyMs + 1);
    const late = this.#prng.below(1_000) < delayedPerMille ? this.#prng.below(delayMsMax + 1) : 0;
    return usual + late + (bytesPerMs === 0 ? 0 : Math.ceil(bytes / bytesPerMs));
  }
}
