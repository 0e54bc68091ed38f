/**
 * The daemon's dead man's switch: one small shell, begun with the first command, that is told of every command and reads
 * from a pipe whose other end only the daemon holds. When the daemon dies in any way, SIGKILL included, the pipe ends and
 * the shell kills what is left of the commands (guard.sh). It costs one idle shell per daemon and nothing per command.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { fileURLToPath } from "node:url";
import { MARKER_VARIABLE, readStatFields } from "./process-table.ts";

const SHELL = "/bin/sh";
const SCRIPT = fileURLToPath(new URL("guard.sh", import.meta.url));
/** The guard's own environment: it looks for the markers of others and must not carry one. */
const ENVIRONMENT = { PATH: "/usr/local/bin:/usr/bin:/bin" };
const START_FIELD = 22;

/** Unique on this machine until it boots again: the daemon's pid and the moment of its start. */
function daemonName(): string {
  const start = process.platform === "linux" ? readStatFields("self")[START_FIELD - 3] : "0";
  return `${process.pid}-${start}`;
}

class Guard {
  readonly #name = daemonName();
  readonly #watched = new Set<number>();
  #shell: ChildProcess | undefined;
  #commands = 0;

  /** The value of BURSAR_COMMAND for the next command. */
  nextMarker(): string {
    this.#commands += 1;
    return `${this.#name}-${this.#commands}`;
  }

  /** To be called before a command begins: a shell that has ended meanwhile is replaced and told of what still runs. */
  ready(): void {
    if (this.#shell !== undefined) return;
    const shell = spawn(SHELL, [SCRIPT, `${MARKER_VARIABLE}=${this.#name}-`], {
      cwd: "/",
      detached: true, // a Ctrl-C on the terminal is not for it
      env: ENVIRONMENT,
      stdio: ["pipe", "ignore", "ignore"],
    });
    const gone = (): void => {
      if (this.#shell === shell) this.#shell = undefined;
    };
    shell.once("error", gone).once("exit", gone);
    shell.stdin.on("error", gone);
    // Neither the shell nor its pipe keeps the daemon from ending.
    shell.unref();
    (shell.stdin as typeof shell.stdin & { unref(): void }).unref();
    this.#shell = shell;
    for (const pid of this.#watched) this.#tell(`+${pid}`);
  }

  /** A command has begun. Until this is told, its marker alone protects. */
  watch(pid: number): void {
    this.#watched.add(pid);
    this.#tell(`+${pid}`);
  }

  /** All of the command is gone; its pid may become someone else's. */
  forget(pid: number): void {
    this.#watched.delete(pid);
    this.#tell(`-${pid}`);
  }

  #tell(line: string): void {
    this.#shell?.stdin?.write(`${line}\n`);
  }
}

/** One per process, as it guards against the death of the process. */
export const guard = new Guard();

/** What this machine cannot do for commands, one line each, to be said at start-up; empty when all is well. */
export function processTreeWarnings(): string[] {
  const warnings: string[] = [];
  if (process.platform !== "linux") {
    warnings.push(
      `memory and CPU time of code steps are neither measured nor limited on ${process.platform} (they are on Linux), ` +
        "and processes that leave the group of their step are not found",
    );
  }
  try {
    accessSync(SHELL, constants.X_OK);
  } catch {
    warnings.push(`${SHELL} is missing: if this daemon is killed, its code steps will live on`);
  }
  return warnings;
}
