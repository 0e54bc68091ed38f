/**
 * The processes of the recovery rows, each with a memory of its own. "write" drives the real loop with grants, calls and closes until
 * so many events are in its journal; "compact" folds them into a snapshot; "open" does what a daemon does on its start: opens the journal,
 * rebuilds the state and is ready.
 */
import { DatabaseSync } from "node:sqlite";
import { decodeCommit, encodeCommit } from "#codec";
import { openSqliteJournal } from "#journal";
import type { Clock, Journal } from "#ports";
import { systemClock, systemIds, TierResourceManager } from "#tier";
import { JournalFiller } from "./journal-filler.ts";

/** What is asked of the process, as its one argument in JSON. */
export type RecoveryOrder =
  | { readonly act: "write"; readonly path: string; readonly events: number }
  | { readonly act: "compact" | "open"; readonly path: string };

/** What "open" tells. */
export interface RecoveryResult {
  /** From the start of the process until the loop was ready for its first command. */
  readonly sinceStartMs: number;
  /** The bare thing: everything in the same file read by SQLite, and nothing done with it. */
  readonly bareReadMs: number;
}

function openJournal(path: string, clock?: Clock) {
  const codec = { encode: encodeCommit, decode: decodeCommit };
  const paced = clock === undefined ? {} : { clock };
  return openSqliteJournal({ path, codec, tier: "coordination", journalId: systemIds.newId(), ...paced });
}

function onFatal(error: Error): never {
  throw error;
}

async function write(path: string, events: number): Promise<void> {
  const opened = openJournal(path);
  let written = 0;
  const journal: Journal = {
    journalId: opened.journal.journalId,
    append: (commit, done) => {
      written += commit.events.length;
      opened.journal.append(commit, done);
    },
    close: () => opened.journal.close(),
  };
  // As if a thousand events a second had come in: the answers of the last ten minutes are remembered, older ones are not.
  const clock = { ...systemClock, monotonicMs: () => written };
  const loop = new TierResourceManager({ opened: { ...opened, journal }, clock, onFatal });
  const filler = new JournalFiller((commands) => new Promise((resolve) => loop.submitAll(commands, resolve)));
  await filler.begin();
  while (written < events) await filler.fillSome();
  await loop.close();
}

async function compact(path: string): Promise<void> {
  const { journal, snapshot, commits } = openJournal(path, systemClock);
  for (const stored of [snapshot ?? [], commits]) for (const _ of stored);
  await new Promise<void>((resolve, reject) => journal.compact((error) => (error ? reject(error) : resolve())));
  journal.close();
}

async function open(path: string): Promise<RecoveryResult> {
  const loop = new TierResourceManager({ opened: openJournal(path), clock: systemClock, onFatal });
  const sinceStartMs = performance.now();
  await loop.close();
  return { sinceStartMs, bareReadMs: bareReadMs(path) };
}

function bareReadMs(path: string): number {
  const startMs = performance.now();
  const database = new DatabaseSync(path, { readOnly: true });
  for (const { name } of database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()) {
    for (const _ of database.prepare(`SELECT * FROM "${name}"`).iterate());
  }
  database.close();
  return performance.now() - startMs;
}

const order = JSON.parse(process.argv[2] ?? "{}") as RecoveryOrder;
if (order.act === "write") await write(order.path, order.events);
else if (order.act === "compact") await compact(order.path);
else process.send?.(await open(order.path));
process.disconnect?.();
