/** What every daemon stands on: its journal and loop, clock and ids, log and traces, and its name in the mesh. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { decodeCommit, encodeCommit } from "#codec";
import { openSqliteJournal } from "#journal";
import type { Clock, IdSource, Telemetry } from "#ports";
import { createTelemetry } from "#telemetry";
import { systemClock, systemIds, TierResourceManager } from "#tier";
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
  const opened = openSqliteJournal({
    path: settings.journal,
    codec: { encode: encodeCommit, decode: decodeCommit },
    tier,
    journalId: ids.newId(),
    ...(pagesMax === undefined ? {} : { pagesMax }),
  });
  const { checkInvariants } = settings;
  const loop = new TierResourceManager({ opened, clock, onFatal, checkInvariants });
  const telemetry = await createTelemetry({
    serviceName: `bursar-${tier}`,
    environment,
    clock,
    onExportError: (error, lostSpans) => log.warn({ err: error, lostSpans }, "spans could not be exported"),
  });
  const instance = `${tier}-${loop.journalId}`;
  return { settings, log, clock, ids, telemetry, loop, instance, incarnation: ids.newId() };
}
