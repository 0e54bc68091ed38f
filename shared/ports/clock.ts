/** Time as the loop sees it. The engine itself never reads a clock: each command carries its time. */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary start; never falls, may stand still. */
  monotonicMs(): number;
  /** Wall time in milliseconds since 1970; for display only. */
  wallMs(): number;
  /** Runs `action` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, action: () => void): () => void;
  /** Runs `action` after the input that is ready now has been read (a macrotask, no delay). */
  soon(action: () => void): void;
  /** Runs `action` once what runs now is done, with all that its promises lead to, and before any more input is read. */
  atOnce(action: () => void): void;
}
