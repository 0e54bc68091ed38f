/** What every room may use: assertions, bounds, queues, tables of texts, a heap of timers, repeatable randomness. It imports nothing. */
export { assert, InvariantError, unreachable } from "./assert.ts";
export type { BackoffOptions } from "./backoff.ts";
export { backoffMs } from "./backoff.ts";
export { BoundedQueue } from "./bounded-queue.ts";
export { FingerprintPieces, fingerprint } from "./fingerprint.ts";
export { HashSlots } from "./hash-slots.ts";
export { LIMITS } from "./limits.ts";
export { Prng } from "./prng.ts";
export { BYTES_BY_UNIT, bytesOf, DIGITS, durationOf } from "./quantities.ts";
export type { Found, Measure, RankedListOptions, Wanted } from "./ranked-list.ts";
export { RankedList } from "./ranked-list.ts";
export type { RecordDraft } from "./record-draft.ts";
export type { RecordContent, RecordPlace } from "./record-queue.ts";
export { RecordQueue } from "./record-queue.ts";
export { TextHash } from "./text-hash.ts";
export { TextMap } from "./text-map.ts";
export type { Timer } from "./timer-heap.ts";
export { TimerHeap } from "./timer-heap.ts";
