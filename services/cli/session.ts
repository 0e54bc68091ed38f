/** What every command works with: the terminal, the time, ids, tracing, and the person's wish to end. */
import type { Clock, IdSource, Telemetry } from "#ports";
import type { Terminal } from "./terminal.ts";

/** Ctrl-C and its kin (SIGTERM, SIGHUP). The first asks to end in good order, the second to end at once. */
export interface Interrupts {
  readonly first: AbortSignal;
  readonly second: AbortSignal;
}

export interface Session {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly telemetry: Telemetry;
  readonly interrupts: Interrupts;
  /** How the person calls this program, for advice: `bursar`, or `npm run bursar --`; in a command with the state folder that it was given. */
  readonly calledAs: string;
}

/** The state folder where none is named. */
export const STATE_FOLDER = ".bursar";

/** The options that every command takes. */
export interface CommonOptions {
  /** `host:port` of the coordination daemon; absent: as the state folder says. */
  readonly address?: string;
  /** The state folder. */
  readonly state: string;
  /** Results as JSON on stdout. */
  readonly json: boolean;
}
