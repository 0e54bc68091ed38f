/**
 * The journal as the loop sees it: a list of commits that only grows, each durable as a whole or not at all. The oldest may be folded
 * into a snapshot of the state that they lead to; nothing is ever dropped that a snapshot does not stand for.
 */
import type { BudgetEvent, SnapshotPart } from "#budget";

/** One commit: what a batch of commands changed, in order. */
export interface Commit {
  /** Engine time of the batch in milliseconds; never falls from commit to commit. */
  readonly engineTimeMs: number;
  readonly events: readonly BudgetEvent[];
}

export interface Journal {
  /** Names this journal for ever; made with the file. Shown to the parent in hello. */
  readonly journalId: string;
  /**
   * Writes one commit. `done` is called exactly once, after the commit is durable (no error) or has failed (error);
   * it may be called before `append` returns. Commits become durable in the order in which they were appended.
   * With `written` the commit is synced beside the caller's work, and `written` is called as soon as it outlives this process: only
   * a power cut can take it away until it is durable. Called at most once, before `done` and before `append` returns; not when the commit fails
   * before. Nothing else may be appended until `done` is called.
   */
  append(commit: Commit, done: (error?: Error) => void, written?: () => void): void;
  /** Releases the file. Appending afterwards is a fault. */
  close(): void;
}

/**
 * What opening a journal gives: the writer, and everything that was durable before. The state is that of the snapshot (without one, the
 * empty state), evolved by the commits, oldest first. Read both to their end, the snapshot first, before the first append.
 */
export interface OpenedJournal {
  readonly journal: Journal;
  /** The state that all older commits led to; undefined while no commit was folded yet. */
  readonly snapshot: Iterable<SnapshotPart> | undefined;
  /** The commits after the snapshot. */
  readonly commits: Iterable<Commit>;
}
