/**
 * A commit of the journal as bytes: JournalCommit of record.proto. Driven by hand for speed; commit-codec.test.ts holds it to the
 * generated schema byte for byte. Whatever cannot be read in full is refused with CommitFormatError.
 */
import type { BudgetEvent } from "#budget";
import type { Commit } from "#ports";
import { CommitFormatError } from "./commit-format-error.ts";
import { EVENT_FIELDS } from "./event-fields.ts";
import { readEvent } from "./read-event.ts";
import { WireReader } from "./wire-reader.ts";
import { WireWriter } from "./wire-writer.ts";
import { writeEvent } from "./write-event.ts";

/**
 * The version that is written, and the latest that can be read. 2 has starts, write-offs, corrections and acknowledged accounts; 3 has limits
 * that were changed, deadlines that moved, first arrivals, and what policies say of aging and low budgets.
 */
export const COMMIT_FORMAT_VERSION = 3;

const COMMIT_FIELDS = 3;

/** One for all commits: encoding is synchronous, and its buffer keeps the size it once needed. */
const writer = new WireWriter();

/** The bytes of one commit. Text that is not well-formed has its broken characters replaced. */
export function encodeCommit(commit: Commit): Uint8Array {
  writer.reset();
  writer.int(1, COMMIT_FORMAT_VERSION);
  writer.int(2, commit.engineTimeMs);
  for (const event of commit.events) writeEvent(writer, 3, event);
  return writer.finish();
}

/** The commit in these bytes. Throws CommitFormatError, which names what is not known or where the damage is. */
export function decodeCommit(bytes: Uint8Array): Commit {
  const commit = WireReader.of(bytes).whole("JournalCommit", COMMIT_FIELDS);
  const version = commit.int(1);
  if (version > COMMIT_FORMAT_VERSION) {
    const message = `written in format ${version}; this release reads formats up to ${COMMIT_FORMAT_VERSION}`;
    throw new CommitFormatError("newer-format", message);
  }
  if (version === 0) throw new CommitFormatError("malformed", "it does not say its format: it is no commit");
  commit.refuseUnknown();
  const events: BudgetEvent[] = [];
  commit.each(3, "JournalEvent", EVENT_FIELDS, (event) => events.push(readEvent(event)));
  return { engineTimeMs: commit.int(2), events };
}
