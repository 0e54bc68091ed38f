/**
 * The life of a daemon: parse, open, serve, say so in one line, and on a signal stop taking work, finish or hand back, flush and end.
 * Exit codes: 0 ended in peace, 2 wrong command line or file, 3 cannot listen there, 4 the journal was refused, 5 could not go on.
 */
import { writeSync } from "node:fs";
import type { Tier } from "#errors";
import { JournalError } from "#journal";
import { type CallContext, type GrpcServer, ListenError, type ServiceBinding, startGrpcServer } from "#rpc";
import { LIMITS } from "#std";
import { type DaemonBase, type Log, openBase } from "./base.ts";
import { drainingRefusal } from "./draining.ts";
import { keepYoung } from "./keep-young.ts";
import { plainLog } from "./plain-log.ts";
import { parseDaemonSettings, usageText } from "./settings.ts";

export const EXIT = Object.freeze({ ok: 0, usage: 2, listen: 3, journal: 4, fatal: 5 });

/** A file given to the daemon is wrong; its message names every problem. */
export class SettingsError extends Error {
  override name = "SettingsError";
}

/** A tier's own part of a daemon. */
export interface DaemonParts {
  readonly services: readonly ServiceBinding[];
  /** Full method names that begin work; refused once the daemon drains. Who takes orders from streams refuses them itself. */
  readonly beginsWork: readonly string[];
  /** Called once when the daemon serves; dials the tier above. */
  start(address: string): void;
  /** Reads its files again, on SIGHUP; may throw SettingsError, and then goes on with what could be applied. Absent: it has none to read, and goes on. */
  reload?(): Promise<void>;
  /** Ends what runs, or hands it back, within `graceMs`; then the connection to the tier above. */
  drain(graceMs: number): Promise<void>;
}

export interface RunOptions {
  readonly tier: Tier;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly createLog: (level: string) => Log;
  readonly exit: (code: number) => never;
  /** Builds the tier's part; may throw SettingsError. */
  readonly build: (base: DaemonBase) => Promise<DaemonParts>;
}

/** Runs a daemon until a signal or a fault ends it. Never throws; ends by `exit`. */
export async function runDaemon(options: RunOptions): Promise<void> {
  const { tier, argv, exit } = options;
  if (argv.includes("--help")) {
    writeSync(1, usageText(tier));
    exit(EXIT.ok);
  }
  const parsed = parseDaemonSettings(tier, argv);
  if (!parsed.ok) {
    writeSync(2, `${parsed.problems.map((problem) => `${tier}: ${problem}`).join("\n")}\n\n${usageText(tier)}`);
    return exit(EXIT.usage);
  }
  const log = plainLog(options.createLog(parsed.settings.logLevel));
  const onFatal = (error: Error) => {
    log.error({ err: error }, "the daemon cannot go on; what was acknowledged is safe in the journal");
    exit(EXIT.fatal);
  };
  // A fault that nobody caught ends the daemon as the table of exit codes says.
  process.once("uncaughtException", (error) => {
    writeSync(2, `${tier}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    exit(EXIT.fatal);
  });
  try {
    const base = await openBase({ settings: parsed.settings, log, environment: options.environment, onFatal });
    keepYoung();
    await serve(options, base);
  } catch (error) {
    exit(exitCodeOf(tier, error));
  }
}

function exitCodeOf(tier: Tier, error: unknown): number {
  const message = error instanceof Error ? error.message : String(error);
  writeSync(2, `${tier}: ${message}\n`);
  if (error instanceof SettingsError) return EXIT.usage;
  if (error instanceof ListenError) return EXIT.listen;
  if (error instanceof JournalError) return EXIT.journal;
  writeSync(2, `${error instanceof Error ? (error.stack ?? "") : ""}\n`);
  return EXIT.fatal;
}

async function serve({ tier, exit, build }: RunOptions, base: DaemonBase): Promise<void> {
  const { settings, log, clock } = base;
  const parts = await build(base);
  let draining = false;
  const admit = (method: string, _context: CallContext) =>
    draining && parts.beginsWork.includes(method) ? drainingRefusal() : undefined;
  const server = await startGrpcServer({
    listen: settings.listen,
    allowInsecure: settings.allowInsecure,
    services: parts.services,
    clock,
    admit,
    onError: ({ method, error }) => log.error({ err: error, method }, "a call failed by a fault of this daemon"),
  });
  const stop = async (signal: string) => {
    if (draining) return;
    draining = true;
    log.info({ signal }, "draining");
    await drain({ base, parts, server });
    log.info({}, "ended");
    exit(EXIT.ok);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      stop(signal).catch((error: unknown) => {
        log.error({ err: error }, "draining failed");
        exit(EXIT.fatal);
      });
    });
  }
  onHangUp(parts, log);
  parts.start(settings.advertise ?? server.address);
  // Last, so that whoever reads the line may send a signal at once.
  announce({ tier, address: server.address, instance: base.instance });
  log.info({ address: server.address, instance: base.instance, journal: settings.journal }, "serving");
}

/** One after the other, so that what was written last is what counts. */
function onHangUp(parts: DaemonParts, log: Log): void {
  const reload = parts.reload ?? nothingToReload(log);
  let last = Promise.resolve();
  process.on("SIGHUP", () => {
    last = last.then(reload).catch((error: unknown) => {
      log.error({ err: error }, "not all of the files could be applied");
    });
  });
}

/** Started by hand in a terminal that is closed, or told by mistake: no reason to end. */
function nothingToReload(log: Log): () => Promise<void> {
  return async () => log.info({}, "SIGHUP: this daemon has no file to read again, and goes on");
}

function announce(facts: { readonly tier: Tier; readonly address: string; readonly instance: string }): void {
  writeSync(1, `${JSON.stringify({ event: "serving", ...facts, pid: process.pid })}\n`);
}

async function drain({
  base,
  parts,
  server,
}: {
  base: DaemonBase;
  parts: DaemonParts;
  server: GrpcServer;
}): Promise<void> {
  server.setServing(false);
  await parts.drain(LIMITS.drainGraceMs);
  await server.drain(LIMITS.shutdownFlushMs);
  await base.telemetry.shutdown();
  await base.loop.close();
}
