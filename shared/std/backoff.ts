/**
 * How long to wait before trying again: exponential backoff with full jitter (Marc Brooker, "Exponential Backoff And Jitter", AWS
 * Architecture Blog, 2015). Full jitter spreads callers that failed together over the whole window, so they do not return together.
 */
import { assert } from "./assert.ts";

export interface BackoffOptions {
  /** Failures so far, counted from 0: the first wait has attempt 0. */
  readonly attempt: number;
  /** The window of attempt 0, in milliseconds; it doubles with each attempt. */
  readonly baseMs: number;
  /** The widest window, in milliseconds. */
  readonly maxMs: number;
  /** A random number from 0 to just under 1, given by the caller. */
  readonly random: number;
}

/** The wait before the next attempt: whole milliseconds, 0 to min(maxMs, baseMs * 2^attempt), spread evenly by `random`. */
export function backoffMs(options: BackoffOptions): number {
  const { attempt, baseMs, maxMs, random } = options;
  assert(Number.isSafeInteger(attempt) && attempt >= 0, "attempts are counted from 0");
  assert(baseMs > 0 && maxMs >= baseMs, "backoff needs 0 < baseMs <= maxMs");
  assert(random >= 0 && random < 1, "random must be from 0 to just under 1");
  const windowMs = Math.min(maxMs, baseMs * 2 ** attempt);
  return Math.floor(random * (windowMs + 1));
}
