/** What a conflict says of the rate at which those who wait at its node were served of late. The daemon that counts it gives it; no decision is made by it. */
import type { Conflict } from "./outcome.ts";

/** Milliseconds between two who were served at a node, at least 1; undefined: that is not known. */
export type ServedEvery = (nodeId: string) => number | undefined;

/** The conflict of one who waits, with that rate and what it makes of its wait, where nothing better is known. */
export function atRate(conflict: Conflict, servedEveryMs: number | undefined): Conflict {
  const { position, never, expectedWaitMs } = conflict;
  if (servedEveryMs === undefined || position === 0 || never || expectedWaitMs > 0) return conflict;
  return { ...conflict, servedEveryMs, expectedWaitMs: servedEveryMs * position };
}

/** For example "of late one was served every 4 s: about 12 s at place 3". */
export function rateWords(servedEveryMs: number, { position, expectedWaitMs }: Conflict): string {
  return `of late one was served every ${roughly(servedEveryMs)}: about ${roughly(expectedWaitMs)} at place ${position}`;
}

/** No more digits than an estimate has. */
function roughly(ms: number): string {
  if (ms < 1_000) return `${ms} ms`;
  if (ms < 10_000) return `${Math.round(ms / 100) / 10} s`;
  return ms < 600_000 ? `${Math.round(ms / 1_000)} s` : `${Math.round(ms / 60_000)} min`;
}
