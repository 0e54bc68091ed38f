/** `bursar export`: the ledger of one journal as JSON lines, for audit. Secrets (allocation tokens) are left out. */

import { JournalError, type ReadJournal } from "#journal";
import { CommandError } from "../command-error.ts";
import { EXIT } from "../exit-code.ts";
import type { CommonOptions, Session } from "../session.ts";
import { openForReading } from "./examine.ts";

/** Streams the ledger to stdout. Where the journal is damaged it says so, after everything that is sound before it. */
export async function exportJournal(path: string, _options: CommonOptions, session: Session): Promise<number> {
  try {
    const reading = openForReading(path);
    try {
      await session.terminal.printAll(ledgerLines(reading));
    } finally {
      reading.close();
    }
  } catch (error) {
    if (!(error instanceof JournalError)) throw error;
    throw new CommandError(error.message, { exitCode: EXIT.failed, cause: error });
  }
  return EXIT.ok;
}

/** A line that says whose ledger it is, one for each part of the snapshot and each event, and one that says that it is complete. */
function* ledgerLines(reading: ReadJournal): Generator<string> {
  const { tier, journalId, format, baseSeq, headSeq } = reading;
  let events = 0;
  yield JSON.stringify({
    type: "journal",
    tier,
    journal_id: journalId,
    format,
    snapshot_seq: baseSeq,
    head_seq: headSeq,
  });
  for (const { type, ...part } of reading.snapshot ?? []) yield lineOf({ type: `snapshot_${type}`, ...part });
  for (const { seq, commit } of reading.commits) {
    for (const { type, ...event } of commit.events) {
      events += 1;
      yield lineOf({ type, seq, ...event });
    }
  }
  yield JSON.stringify({ type: "end", head_seq: headSeq, events });
}

const SECRETS = new Set(["token"]);

function lineOf(fields: object): string {
  return JSON.stringify(inSnakeCase(fields));
}

/** Field names as in the report and the contract; maps become lists of pairs. */
function inSnakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inSnakeCase);
  if (value instanceof Map) return [...value].map(inSnakeCase);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).filter(([name]) => !SECRETS.has(name));
  return Object.fromEntries(fields.map(([name, field]) => [snakeCase(name), inSnakeCase(field)]));
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
