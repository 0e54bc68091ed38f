/**
 * Examines one journal offline: its rows, their chain, its snapshot, and the books that they make, replayed by the engine and checked
 * against every invariant. Changes nothing, not even the folder.
 */
import { statSync } from "node:fs";
import { type BudgetState, createState, evolve, invariantFaults, restoreState } from "#budget";
import { decodeCommit, encodeCommit } from "#codec";
import { JournalError, type ReadJournal, readSqliteJournal } from "#journal";
import { InvariantError, LIMITS } from "#std";
import { badFile } from "../documents.ts";

export interface Examination {
  readonly path: string;
  /** Absent where the file could not be opened as a journal. */
  readonly facts?: JournalFacts;
  /** The state as far as the journal is sound; absent where nothing of it is. */
  readonly state?: BudgetState;
  /** What is wrong, each with the row or node; empty when all is well. At most LIMITS.doctorProblemsMax. */
  readonly problems: readonly string[];
}

export interface JournalFacts {
  readonly tier: string;
  readonly journalId: string;
  readonly format: number;
  readonly bytes: number;
  /** The last commit that is folded into the snapshot; 0 without one. */
  readonly baseSeq: number;
  readonly headSeq: number;
  readonly events: number;
}

/** Opens a journal for reading only. Throws JournalError, or CommandError where the file is not there or cannot be come to. */
export function openForReading(path: string): ReadJournal {
  // Said before anything else: no right to a file is missing where there is none.
  try {
    statSync(path);
  } catch (cause) {
    throw badFile("read", path, cause);
  }
  return readSqliteJournal({ path, codec: { encode: encodeCommit, decode: decodeCommit } });
}

/** Never throws for what is wrong with the journal. */
export function examineJournal(path: string): Examination {
  let reading: ReadJournal;
  try {
    reading = openForReading(path);
  } catch (error) {
    return { path, problems: [problemOf(error)] };
  }
  try {
    return examine(path, reading);
  } finally {
    reading.close();
  }
}

function examine(path: string, reading: ReadJournal): Examination {
  const { tier, journalId, format, bytes, baseSeq, headSeq } = reading;
  const problems: string[] = [];
  let state: BudgetState | undefined;
  let events = 0;
  let seq = baseSeq;
  try {
    state = reading.snapshot ? restoreState(reading.snapshot) : createState();
    for (const row of reading.commits) {
      seq = row.seq;
      for (const event of row.commit.events) evolve(state, event);
      events += row.commit.events.length;
    }
  } catch (error) {
    const where = error instanceof JournalError ? "" : seq === baseSeq ? "the snapshot: " : `commit ${seq}: `;
    problems.push(`${where}${problemOf(error)}`);
  }
  if (state) problems.push(...invariantFaults(state, LIMITS.doctorProblemsMax));
  const facts = { tier, journalId, format, bytes, baseSeq, headSeq, events };
  return { path, facts, problems, ...(state ? { state } : {}) };
}

function problemOf(error: unknown): string {
  if (error instanceof JournalError || error instanceof InvariantError) return error.message;
  if (error instanceof Error) return error.message;
  throw error;
}
