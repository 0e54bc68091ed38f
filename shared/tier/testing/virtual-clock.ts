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
  readonly #atOnce: (() => void)[] = [];
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

  atOnce(action: () => void): void {
    this.#atOnce.push(action);
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
        const action = this.#atOnce.shift() ?? this.#soon.shift() ?? this.#due(untilMs);
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

  /** The clock of a process that starts now. */
  process(start: ProcessStart = {}): VirtualProcess {
    return new VirtualProcess(this, start);
  }
}

export interface ProcessStart {
  /** What its own monotonic clock shows at the start; default that of the virtual clock. */
  readonly monotonicMs?: number;
  /** How much faster its monotonic clock runs than true time, in millionths; negative: slower. Default 0. */
  readonly driftPpm?: number;
  /** How far its wall clock is ahead; default 0. */
  readonly wallAheadMs?: number;
}

const MILLION = 1_000_000;

/**
 * The clock of one process: when the process ends, nothing that it set runs any more. While it is stopped (SIGSTOP) its clock goes on,
 * and what is due or arrives waits until it continues.
 */
export class VirtualProcess implements Clock {
  readonly #clock: VirtualClock;
  readonly #startedAtMs: number;
  readonly #startMs: number;
  readonly #rate: number;
  readonly #cancels = new Set<() => void>();
  #wallAheadMs: number;
  /** What waits for the process to continue; undefined while it runs. */
  #held: (() => void)[] | undefined;
  #ended = false;

  constructor(clock: VirtualClock, { monotonicMs, driftPpm = 0, wallAheadMs = 0 }: ProcessStart) {
    this.#clock = clock;
    this.#startedAtMs = clock.monotonicMs();
    this.#startMs = monotonicMs ?? this.#startedAtMs;
    this.#rate = 1 + driftPpm / MILLION;
    this.#wallAheadMs = wallAheadMs;
  }

  monotonicMs(): number {
    return this.#startMs + Math.floor((this.#clock.monotonicMs() - this.#startedAtMs) * this.#rate);
  }

  wallMs(): number {
    return this.#clock.wallMs() + this.#wallAheadMs;
  }

  /** Somebody sets the wall clock. */
  jumpWall(byMs: number): void {
    this.#wallAheadMs += byMs;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get stopped(): boolean {
    return this.#held !== undefined;
  }

  after(delayMs: number, action: () => void): () => void {
    if (this.#ended) return () => undefined;
    let live = true;
    const stop = this.#clock.after(this.#rate === 1 ? delayMs : Math.ceil(delayMs / this.#rate), () => {
      this.run(() => {
        this.#cancels.delete(cancel);
        if (live) action();
        live = false;
      });
    });
    const cancel = (): void => {
      live = false;
      this.#cancels.delete(cancel);
      stop();
    };
    this.#cancels.add(cancel);
    return cancel;
  }

  soon(action: () => void): void {
    this.#clock.soon(() => this.run(action));
  }

  atOnce(action: () => void): void {
    this.#clock.atOnce(() => this.run(action));
  }

  /** Something comes from outside: runs now, or when the process continues, or never when it has ended. */
  run(action: () => void): void {
    if (this.#ended) return;
    if (this.#held) this.#held.push(action);
    else action();
  }

  /** SIGSTOP. */
  stop(): void {
    this.#held ??= [];
  }

  /** SIGCONT: what waited runs in the order in which it became due, each in a turn of its own. */
  continue(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const action of held) this.soon(action);
  }

  /** Timers of this process that have neither fired nor been cancelled. */
  get timers(): number {
    return this.#cancels.size;
  }

  /** The process is gone, as after kill -9. */
  end(): void {
    this.#ended = true;
    this.#held = undefined;
    for (const cancel of [...this.#cancels]) cancel();
  }
}
