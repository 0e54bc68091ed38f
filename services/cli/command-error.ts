/** A command that cannot go on, with what the person can do about it and the exit code it ends with. */

export interface CommandErrorOptions extends ErrorOptions {
  readonly exitCode: number;
  /** What to do, one thing a line. */
  readonly advice?: readonly string[];
}

export class CommandError extends Error {
  override name = "CommandError";
  readonly exitCode: number;
  readonly advice: readonly string[];

  constructor(message: string, { exitCode, advice = [], ...options }: CommandErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
    this.advice = advice;
  }
}
