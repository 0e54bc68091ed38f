/** Commits that are synced beside the work of the process: told when they are written, and again when they are durable. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Clock, Commit } from "#ports";
import { JournalError } from "./journal-error.ts";
import { jsonCodec, numberedCommit } from "./json-codec.fixture.ts";
import { LogSync } from "./log-sync.ts";
import { openSqliteJournal, type SqliteJournal } from "./sqlite-journal.ts";
import { inspectWal } from "./wal-check.ts";

let folder: string;
let path: string;
const opened: SqliteJournal[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "journal-"));
  path = join(folder, "execution.journal");
});

afterEach(() => {
  for (const journal of opened.splice(0)) journal.close();
  rmSync(folder, { recursive: true });
});

/** Opens it and reads it to the end. */
function open(clock?: Pick<Clock, "after">, pagesMax?: number) {
  const { journal, commits } = openSqliteJournal({
    ...{ path, codec: jsonCodec, tier: "execution", journalId: "journal-1" },
    ...(clock && { clock }),
    ...(pagesMax && { pagesMax }),
  });
  opened.push(journal);
  return { journal, stored: [...commits] };
}

/** Appends a commit that is synced beside; what was told by the time `append` returned, and in the end. */
async function appendBeside(journal: SqliteJournal, commit: Commit) {
  const told: string[] = [];
  const { promise, resolve } = Promise.withResolvers<Error | undefined>();
  const done = (error?: Error) => {
    told.push(error ? "failed" : "durable");
    resolve(error);
  };
  journal.append(commit, done, () => told.push("written"));
  const atOnce = [...told];
  const error = await promise;
  return { atOnce, told, error };
}

test("is written at once, and durable later", async () => {
  const { journal } = open();
  const { atOnce, told } = await appendBeside(journal, numberedCommit(1));
  expect(atOnce).toEqual(["written"]);
  expect(told).toEqual(["written", "durable"]);
  journal.append(numberedCommit(2), (error) => expect(error).toBeUndefined());
  expect((await appendBeside(journal, numberedCommit(3))).told).toEqual(["written", "durable"]);
  expect(inspectWal(`${path}-wal`)).toEqual({ damage: undefined, hasCommits: true });
  journal.close();
  expect(open().stored).toEqual([numberedCommit(1), numberedCommit(2), numberedCommit(3)]);
});

test("nothing is appended while a commit is being synced, and closing meanwhile keeps it", async () => {
  const { journal } = open();
  journal.append(
    numberedCommit(1),
    () => undefined,
    () => undefined,
  );
  expect(() => journal.append(numberedCommit(2), () => undefined)).toThrow("is being synced");
  journal.close();
  expect(open().stored).toEqual([numberedCommit(1)]);
});

test("with few answers they go first, with many the sync does, and whoever closes it in between is told nothing more", async () => {
  const { journal } = open();
  const many: Commit = { engineTimeMs: 1, events: Array.from({ length: 9 }, () => numberedCommit(1)) as never };
  const isSyncing = () => {
    try {
      journal.append(numberedCommit(9), () => undefined);
      return false;
    } catch (error) {
      return error instanceof Error && error.message.includes("is being synced");
    }
  };
  const seen = await new Promise<boolean>((resolve) => {
    let syncs = false;
    journal.append(
      many,
      () => resolve(syncs),
      () => {
        syncs = isSyncing();
      },
    );
  });
  expect(seen).toBe(true);
  const told: string[] = [];
  journal.append(
    numberedCommit(2),
    () => told.push("durable"),
    () => journal.close(),
  );
  await new Promise((resolve) => setImmediate(resolve));
  expect(told).toEqual([]);
  expect(open().stored).toEqual([many, numberedCommit(2)]);
});

test("what cannot be written is told as failed, and never as written", async () => {
  const { journal } = open(undefined, 10);
  const large: Commit = { engineTimeMs: 1, events: Array.from({ length: 200 }, () => numberedCommit(7)) as never };
  const { told, error } = await appendBeside(journal, large);
  expect(told).toEqual(["failed"]);
  expect(error).toBeInstanceOf(JournalError);
});

test("while a compaction is at work each commit is synced before the next thing is written", async () => {
  const steps: (() => void)[] = [];
  const clock = {
    after: (_: number, step: () => void) => {
      steps.push(step);
      return () => undefined;
    },
  };
  const { journal } = open(clock);
  await appendBeside(journal, numberedCommit(1));
  journal.compact(() => undefined);
  expect(steps).toHaveLength(1);
  const { atOnce } = await appendBeside(journal, numberedCommit(2));
  expect(atOnce).toEqual(["durable"]);
});

test("a log that cannot be synced says so", async () => {
  const log = new LogSync(join(folder, "absent-wal"));
  expect(() => log.syncNow()).toThrow("ENOENT");
  log.close();
});
