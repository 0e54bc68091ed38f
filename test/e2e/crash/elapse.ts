/** Time that has to pass for real: between the acts of a round, and between two attempts of a client. */
import { systemClock } from "#tier";

/** Resolves after `ms`, or as soon as `signal` aborts. */
export function elapse(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const cancel = systemClock.after(ms, end);
    signal?.addEventListener("abort", end, { once: true });
  });
}

/** Asks again until `attempt` answers something; undefined after `patienceMs`. An attempt that throws is one that failed. */
export async function until<T>(patienceMs: number, attempt: () => Promise<T | undefined>): Promise<T | undefined> {
  const endMs = systemClock.monotonicMs() + patienceMs;
  for (;;) {
    const found = await attempt().catch(() => undefined);
    if (found !== undefined || systemClock.monotonicMs() >= endMs) return found;
    await elapse(50);
  }
}
