/** The journal as the loop sees it: an append-only list of commits, each durable as a whole or not at all. */
import type { BudgetEvent } from "#budget";

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
   */
  append(commit: Commit, done: (error?: Error) => void): void;
  /** Releases the file. Appending afterwards is a fault. */
  close(): void;
}

/** What opening a journal gives: the writer, and everything that was durable before, oldest first. */
export interface OpenedJournal {
  readonly journal: Journal;
  readonly commits: Iterable<Commit>;
}
