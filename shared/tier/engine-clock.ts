/** Engine time: milliseconds that never fall, over restarts too. It advances by the monotonic clock from where the journal ended. */
import type { Clock } from "#ports";

export class EngineClock {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #offsetMs: number;
  #latestMs: number;

  constructor(clock: Pick<Clock, "monotonicMs">, startMs: number) {
    this.#clock = clock;
    this.#offsetMs = startMs - clock.monotonicMs();
    this.#latestMs = startMs;
  }

  /** The engine time now; at least as late as every earlier answer. */
  nowMs(): number {
    this.#latestMs = Math.max(this.#latestMs, this.#clock.monotonicMs() + this.#offsetMs);
    return this.#latestMs;
  }
}
