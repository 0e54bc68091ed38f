/** What every room may use: assertions, bounds, a queue, a heap of timers, repeatable randomness. It imports nothing. */
export { assert, InvariantError, unreachable } from "./assert.ts";
export type { BackoffOptions } from "./backoff.ts";
export { backoffMs } from "./backoff.ts";
export { BoundedQueue } from "./bounded-queue.ts";
export { fingerprint } from "./fingerprint.ts";
export { LIMITS } from "./limits.ts";
export { Prng } from "./prng.ts";
export type { Timer } from "./timer-heap.ts";
export { TimerHeap } from "./timer-heap.ts";
