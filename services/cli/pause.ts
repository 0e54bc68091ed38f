/** Waiting, for a time or until one need not wait any more. */
import type { Clock } from "#ports";

export interface PauseOptions {
  readonly clock: Pick<Clock, "after">;
  /** Ends the pause early. */
  readonly signal: AbortSignal;
}

export function pause(delayMs: number, { clock, signal }: PauseOptions): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.after(delayMs, done);
    if (signal.aborted) done();
    else signal.addEventListener("abort", done, { once: true });
  });
}
