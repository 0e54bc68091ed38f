/**
 * The machine's clock: the only file that reads the time or sets a timer.
 * A timer never fires before its delay has passed on the monotonic clock (Node's own may be a fraction early), and
 * a delay longer than Node's limit of 2^31-1 milliseconds waits its full length instead of firing at once.
 */

import type { Clock } from "#ports";
import { assert } from "#std";

const NODE_TIMER_MS_MAX = 2 ** 31 - 1;

function monotonicMs(): number {
  return Math.floor(performance.now());
}

function after(delayMs: number, action: () => void): () => void {
  assert(Number.isFinite(delayMs), `a timer needs a finite delay, got ${delayMs}`);
  const dueMs = performance.now() + Math.max(0, delayMs);
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    // A process that was held up in between may be late already; Node warns of a negative delay.
    const leftMs = Math.max(0, Math.ceil(dueMs - performance.now()));
    timer = setTimeout(leftMs > NODE_TIMER_MS_MAX ? arm : fire, Math.min(leftMs, NODE_TIMER_MS_MAX));
  };
  const fire = (): void => {
    if (performance.now() < dueMs) arm();
    else action();
  };
  arm();
  return () => clearTimeout(timer);
}

/** Time of this machine. Timers keep the process alive until they fire or are cancelled. */
export const systemClock: Clock = Object.freeze({
  monotonicMs,
  wallMs: () => Date.now(),
  after,
  soon: (action: () => void) => {
    setImmediate(action);
  },
  atOnce: (action: () => void) => {
    // What is put there from a microtask runs when there are no more of them.
    queueMicrotask(() => process.nextTick(action));
  },
});
