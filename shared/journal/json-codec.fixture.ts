/** For tests: commits that carry a number and some padding, and a codec that writes them as JSON. */
import type { BudgetEvent } from "#budget";
import type { Commit } from "#ports";
import type { CommitCodec } from "./commit-codec.ts";

/** Commit number `n` (from 1): its engine time is 10·n, its size depends on n alone, from some bytes to 20 kB. */
export function numberedCommit(n: number): Commit {
  const padding = String(n).repeat(n % 7 === 0 ? 5_000 : 3);
  return { engineTimeMs: 10 * n, events: [{ n, padding }] as unknown as readonly BudgetEvent[] };
}

/** Commits `1 … count`. */
export function numberedCommits(count: number): Commit[] {
  return Array.from({ length: count }, (_, index) => numberedCommit(index + 1));
}

export const jsonCodec: CommitCodec = {
  encode: (commit) => new TextEncoder().encode(JSON.stringify(commit)),
  decode: (body) => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)) as Commit,
};
