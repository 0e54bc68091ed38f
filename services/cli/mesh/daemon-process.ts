/** One daemon as a child process, from its start to its end: the line it prints when it serves, its log, its exit. */
import { type ChildProcess, spawn } from "node:child_process";
import { LineSplitter } from "./line-splitter.ts";

export interface DaemonCommand {
  /** Program file of the daemon. */
  readonly program: string;
  readonly args: readonly string[];
  /** Folder it runs in. */
  readonly cwd: string;
  /** Each line it writes to stderr, and what it writes to stdout beside the line that it serves. */
  readonly onLine: (line: string) => void;
}

/** How it ended. */
export interface DaemonExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** It could not even be started. */
  readonly failure?: Error;
}

export interface DaemonProcess {
  readonly pid: number | undefined;
  /** The address it serves; undefined when it ended before it did. */
  readonly serving: Promise<string | undefined>;
  readonly ended: Promise<DaemonExit>;
  kill(signal: NodeJS.Signals): void;
}

/** The leash ends a daemon in good order when this process is killed outright. */
const LEASH = new URL("../leash.js", import.meta.url).href;

export function startDaemon({ program, args, cwd, onLine }: DaemonCommand): DaemonProcess {
  // In a session of its own: Ctrl-C reaches this process alone, which ends the daemons in order.
  const child = spawn(process.execPath, ["--import", LEASH, program, ...args], {
    cwd,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const serving = Promise.withResolvers<string | undefined>();
  const ended = endOf(child);
  const words = new LineSplitter((line) => {
    const address = servingAddress(line);
    if (address === undefined) onLine(line);
    else serving.resolve(address);
  });
  const log = new LineSplitter(onLine);
  child.stdout?.on("data", (bytes: Buffer) => words.write(bytes));
  child.stderr?.on("data", (bytes: Buffer) => log.write(bytes));
  void ended.then(() => {
    words.end();
    log.end();
    serving.resolve(undefined);
  });
  return { pid: child.pid, serving: serving.promise, ended, kill: (signal) => void child.kill(signal) };
}

function endOf(child: ChildProcess): Promise<DaemonExit> {
  return new Promise((resolve) => {
    child.once("error", (failure) => {
      if (child.pid === undefined) resolve({ code: null, signal: null, failure });
    });
    // "close" comes after the last of its output has been read.
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
}

/** The address in `{"event":"serving","address":…}`; undefined for any other line. */
function servingAddress(line: string): string | undefined {
  try {
    const said: unknown = JSON.parse(line);
    if (typeof said !== "object" || said === null) return undefined;
    const { event, address } = said as { readonly event?: unknown; readonly address?: unknown };
    return event === "serving" && typeof address === "string" ? address : undefined;
  } catch {
    return undefined;
  }
}
