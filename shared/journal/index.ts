/** The journal room: the Journal port on disk (SQLite) and in memory (for tests and the simulator). */
export type { CommitCodec } from "./commit-codec.ts";
export type { CompactionReport } from "./compaction.ts";
export { JournalError, type JournalErrorOptions, type JournalErrorReason } from "./journal-error.ts";
export { MemoryDisk, type MemoryDiskOptions } from "./memory-journal.ts";
export {
  type OpenedSqliteJournal,
  openSqliteJournal,
  type SqliteJournal,
  type SqliteJournalOptions,
} from "./sqlite-journal.ts";
export { type ReadJournal, type ReadJournalOptions, readSqliteJournal } from "./sqlite-reader.ts";
export type { StoredCommit } from "./sqlite-recovery.ts";
