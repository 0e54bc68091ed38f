/**
 * Time that a test owns: it moves when it is told to, and then runs what is due in one order, always the same. Between two actions all
 * promises settle, as they do between two turns of the event loop. `process()` gives clocks that can die with all their timers.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "#ports";
import { assert, TimerHeap } from "#std";

/** An advance that runs more than this has found a loop that feeds itself. */
const ACTIONS_MAX = 5_000_000;

interface Waiting {
  readonly action: () => void;
  live: boolean;
}

export class VirtualClock implements Clock {
  #elapsedMs = 0;
  readonly #startMs: number;
  readonly #soon: (() => void)[] = [];
  readonly #timers = new TimerHeap<Waiting>();
  #timersLive = 0;
  #advancing = false;

  /** `monotonicMs`: what the monotonic clock shows at the beginning; default 0. */
  constructor({ monotonicMs = 0 }: { readonly monotonicMs?: number } = {}) {
    this.#startMs = monotonicMs;
  }

  monotonicMs(): number {
    return this.#startMs + this.#elapsedMs;
  }

  wallMs(): number {
    return Date.UTC(2026, 0, 1) + this.#elapsedMs;
  }

  after(delayMs: number, action: () => void): () => void {
    const waiting: Waiting = { action, live: true };
    this.#timers.push({ atMs: this.#elapsedMs + Math.max(0, delayMs), key: waiting });
    this.#timersLive += 1;
    return () => {
      if (waiting.live) this.#timersLive -= 1;
      waiting.live = false;
    };
  }

  soon(action: () => void): void {
    this.#soon.push(action);
  }

  /** Timers that have neither fired nor been cancelled. */
  get timers(): number {
    return this.#timersLive;
  }

  /** Runs everything that can run without time passing. */
  settle(): Promise<void> {
    return this.advance(0);
  }

  /** Lets `ms` milliseconds pass: what is due on the way runs at its time, earliest first, then in the order in which it was set. */
  async advance(ms: number): Promise<void> {
    assert(!this.#advancing, "time is advanced by one caller at a time: await it");
    this.#advancing = true;
    const untilMs = this.#elapsedMs + ms;
    try {
      for (let ran = 0; ; ran += 1) {
        assert(ran < ACTIONS_MAX, `${ACTIONS_MAX} actions ran and there is no end of them`);
        await nextTurn();
        const action = this.#soon.shift() ?? this.#due(untilMs);
        if (!action) break;
        action();
      }
    } finally {
      this.#advancing = false;
    }
    this.#elapsedMs = untilMs;
  }

  #due(untilMs: number): (() => void) | undefined {
    for (let next = this.#timers.popDue(untilMs); next; next = this.#timers.popDue(untilMs)) {
      if (!next.key.live) continue;
      next.key.live = false;
      this.#timersLive -= 1;
      this.#elapsedMs = Math.max(this.#elapsedMs, next.atMs);
      return next.key.action;
    }
    return undefined;
  }

  /** The clock of a process that starts now. `monotonicMs`: what its own monotonic clock shows now; default that of this clock. */
  process({ monotonicMs = this.monotonicMs() }: { readonly monotonicMs?: number } = {}): VirtualProcess {
    return new VirtualProcess(this, monotonicMs - this.monotonicMs());
  }
}

/** The clock of one process: when the process ends, nothing that it set runs any more. */
export class VirtualProcess implements Clock {
  readonly #clock: VirtualClock;
  readonly #offsetMs: number;
  readonly #cancels = new Set<() => void>();
  #ended = false;

  constructor(clock: VirtualClock, offsetMs: number) {
    this.#clock = clock;
    this.#offsetMs = offsetMs;
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs() + this.#offsetMs;
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  after(delayMs: number, action: () => void): () => void {
    if (this.#ended) return () => undefined;
    const stop = this.#clock.after(delayMs, () => {
      this.#cancels.delete(cancel);
      action();
    });
    const cancel = (): void => {
      this.#cancels.delete(cancel);
      stop();
    };
    this.#cancels.add(cancel);
    return cancel;
  }

  soon(action: () => void): void {
    this.#clock.soon(() => {
      if (!this.#ended) action();
    });
  }

  /** Timers of this process that have neither fired nor been cancelled. */
  get timers(): number {
    return this.#cancels.size;
  }

  /** The process is gone, as after kill -9. */
  end(): void {
    this.#ended = true;
    for (const cancel of [...this.#cancels]) cancel();
  }
}
