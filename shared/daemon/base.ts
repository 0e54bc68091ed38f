/** What every daemon stands on: its journal and loop, clock and ids, log and traces, and its name in the mesh. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { SnapshotError } from "#budget";
import { decodeCommit, encodeCommit } from "#codec";
import { JournalError, openSqliteJournal } from "#journal";
import type { Clock, IdSource, Telemetry } from "#ports";
import { type Connection, connect } from "#rpc";
import { InvariantError } from "#std";
import { createTelemetry } from "#telemetry";
import { newHashSeed, systemClock, systemIds, type TierOptions, TierResourceManager } from "#tier";
import { bootId } from "./boot-id.ts";
import { type DaemonSettings, journalPagesMax } from "./settings.ts";

/** The part of a logger that daemons use; pino's shape. */
export interface Log {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export interface DaemonBase {
  readonly settings: DaemonSettings;
  readonly log: Log;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly telemetry: Telemetry;
  readonly loop: TierResourceManager;
  /** A connection to the daemon at `host:port`, dialled when it is first used. */
  readonly connect: (address: string) => Connection;
  /** Stable over restarts, because the journal is: another journal is another holder. */
  readonly instance: string;
  /** New at each start. */
  readonly incarnation: string;
}

export interface BaseOptions {
  readonly settings: DaemonSettings;
  readonly log: Log;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly onFatal: (error: Error) => void;
}

/** Opens the journal and rebuilds the state. Throws JournalError. */
export async function openBase({ settings, log, environment, onFatal }: BaseOptions): Promise<DaemonBase> {
  const clock = systemClock;
  const ids = systemIds;
  const { tier } = settings;
  mkdirSync(dirname(settings.journal), { recursive: true });
  const pagesMax = journalPagesMax(settings);
  const hashSeed = newHashSeed();
  const opened = openSqliteJournal({
    path: settings.journal,
    codec: { encode: encodeCommit, decode: decodeCommit },
    tier,
    journalId: ids.newId(),
    hashSeed,
    ...(pagesMax === undefined ? {} : { pagesMax }),
    clock,
    onCompaction: (report) => {
      if (report.ok) log.info(report, "the journal was compacted");
      else log.warn({ err: report.error }, "the journal could not be compacted; it goes on as it is");
    },
  });
  const { checkInvariants } = settings;
  // Execution alone may answer a hold before its record is synced.
  const ahead = tier === "execution" ? { bootId: bootId() } : {};
  const loop = rebuild({ opened, clock, onFatal, checkInvariants, hashSeed, ...ahead }, settings.journal);
  const telemetry = await createTelemetry({
    serviceName: `bursar-${tier}`,
    environment,
    clock,
    onExportError: (error, lostSpans) => log.warn({ err: error, lostSpans }, "spans could not be exported"),
  });
  const instance = `${tier}-${loop.journalId}`;
  return {
    settings,
    log,
    clock,
    ids,
    telemetry,
    loop,
    connect: (address) => connect({ address, clock }),
    instance,
    incarnation: ids.newId(),
  };
}

/** A journal whose rows are whole and yet make no books is refused like a damaged one. */
function rebuild(options: TierOptions, path: string): TierResourceManager {
  try {
    return new TierResourceManager(options);
  } catch (cause) {
    if (!(cause instanceof InvariantError || cause instanceof SnapshotError)) throw cause;
    const what = `its rows are whole, but make no books (${cause.message}); bursar doctor says more`;
    throw new JournalError("corrupt", { path, what, cause });
  }
}
