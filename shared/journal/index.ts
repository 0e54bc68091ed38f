/** The journal room: the Journal port on disk (SQLite) and in memory (for tests and the simulator). */
export type { CommitCodec } from "./commit-codec.ts";
export { JournalError, type JournalErrorOptions, type JournalErrorReason } from "./journal-error.ts";
export { MemoryDisk, type MemoryDiskOptions } from "./memory-journal.ts";
export { openSqliteJournal, type SqliteJournalOptions } from "./sqlite-journal.ts";
