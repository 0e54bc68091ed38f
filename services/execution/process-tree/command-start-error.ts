/** Why a command did not start. Nothing of it ran, so nothing of it needs to be stopped or paid for. */
import { statSync } from "node:fs";

export type CommandStartReason =
  /** No such program on the command's PATH, or the interpreter its first line names is missing. */
  | "not_found"
  /** It exists and may not be executed. */
  | "not_executable"
  /** The working directory does not exist, is no directory or may not be entered. */
  | "no_directory"
  /** Arguments and environment together are larger than the system takes. */
  | "too_long"
  /** The command is empty, or something in it cannot be passed to a program. */
  | "invalid"
  /** The machine has no process, memory or file descriptor to spare: the same command may start later. */
  | "no_resources";

export class CommandStartError extends Error {
  override name = "CommandStartError";
  readonly reason: CommandStartReason;

  constructor(reason: CommandStartReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

const NO_RESOURCES: ReadonlySet<string | undefined> = new Set(["EAGAIN", "ENOMEM", "EMFILE", "ENFILE"]);

function directoryProblem(cwd: string): string | undefined {
  try {
    return statSync(cwd).isDirectory() ? undefined : "is not a directory";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "does not exist" : "cannot be entered";
  }
}

/** Turns what `spawn` threw or emitted into the reason that its caller can act on. */
export function toCommandStartError(cause: unknown, program: string, cwd: string | undefined): CommandStartError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const failed = (reason: CommandStartReason, text: string) => new CommandStartError(reason, text, { cause });
  // The system reports a missing directory in the same words as a missing program.
  const problem = cwd === undefined ? undefined : directoryProblem(cwd);
  if (problem !== undefined) return failed("no_directory", `working directory "${cwd}" ${problem}`);
  if (code === "ENOENT" || code === "ENOTDIR") {
    return failed(
      "not_found",
      `"${program}" was not found: give a path to it or put its folder into the command's PATH`,
    );
  }
  if (code === "EACCES" || code === "EPERM") {
    return failed("not_executable", `"${program}" may not be executed: check its permissions (chmod +x)`);
  }
  if (code === "E2BIG") {
    return failed("too_long", `the arguments of "${program}" are too long: pass what is large on standard input`);
  }
  if (NO_RESOURCES.has(code))
    return failed("no_resources", `the machine has no room to start "${program}" (${code}): try again later`);
  return failed("invalid", `"${program}" cannot be started: ${message}`);
}
