/** Worker steps: somebody outside does the work, its calls go through Meter, and it says Complete when done. */
import { DEADLINE_PASSED } from "#budget";
import { type ExecutionError, type ExecutionErrorType, executionError } from "#errors";
import type { Clock, IdSource } from "#ports";
import type { Executor, StepResult } from "./executor.ts";

export interface WorkerOptions {
  readonly path: string;
  readonly attachWithinMs: number;
  readonly clock: Clock;
  readonly ids: IdSource;
}

/** What the worker said at its end. */
export interface Completion {
  readonly outcome: "succeeded" | "failed" | "stopped";
  readonly output: Uint8Array;
  readonly message: string;
}

export class WorkerExecutor implements Executor {
  readonly #options: WorkerOptions;
  readonly #ended = Promise.withResolvers<StepResult>();
  #cancelTimer: () => void = () => undefined;
  #workers = 0;
  #over = false;
  #isPaused = false;
  #stopReason: string | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  run(): Promise<StepResult> {
    this.#await("no worker attached within");
    return this.#ended.promise;
  }

  /** A worker has presented the token. */
  attached(): void {
    this.#workers += 1;
    if (this.#stopReason === undefined) this.#cancelTimer();
  }

  /** A worker's stream is over. When it was the last one, another must attach in time, or the step fails. */
  detached(): void {
    this.#workers -= 1;
    if (this.#workers === 0) this.#await("the step's worker is gone, and no worker attached again within");
  }

  #await(words: string): void {
    if (this.#over || this.#isPaused) return;
    if (this.#stopReason !== undefined) {
      this.#stopNow();
      return;
    }
    const { attachWithinMs, clock } = this.#options;
    this.#cancelTimer = clock.after(attachWithinMs, () => {
      const message = `${words} ${attachWithinMs} ms; start one with the step's token`;
      this.#end({ outcome: "failed", error: this.#error("DEPENDENCY_UNAVAILABLE", message) });
    });
  }

  complete({ outcome, output: stdout, message }: Completion): void {
    const output = { stdout };
    if (outcome === "succeeded") this.#end({ outcome, output });
    else if (outcome === "stopped" && this.#stopReason !== undefined)
      this.#end({ outcome, output, error: this.#stopError() });
    else
      this.#end({
        outcome,
        output,
        error: this.#error("TOOL_EXECUTION_FAILED", message || `the worker said ${outcome}`),
      });
  }

  /** With a grace, a worker that is there may still settle and say what it has made so far. */
  stop(reason: string, graceMs = 0): void {
    if (this.#over || this.#stopReason !== undefined) return;
    this.#stopReason = reason;
    this.#cancelTimer();
    if (graceMs === 0 || this.#workers === 0) this.#stopNow();
    else this.#cancelTimer = this.#options.clock.after(graceMs, () => this.#stopNow());
  }

  #stopNow(): void {
    this.#end({ outcome: "stopped", error: this.#stopError() });
  }

  #stopError(): ExecutionError {
    const reason = this.#stopReason ?? "no reason given";
    const type = reason === DEADLINE_PASSED ? "TIMEOUT" : "RESOURCE_EXHAUSTED";
    return this.#error(type, `stopped: ${reason}`);
  }

  /** Nobody has to be there while it is paused. */
  pause(): void {
    this.#isPaused = true;
    if (this.#stopReason === undefined) this.#cancelTimer();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#workers === 0) this.#await("no worker attached after the pause within");
  }

  #end(result: StepResult): void {
    this.#over = true;
    this.#cancelTimer();
    this.#ended.resolve(result);
  }

  #error(type: ExecutionErrorType, message: string): ExecutionError {
    const { ids, path: allocationPath } = this.#options;
    return executionError({ id: ids.newId(), type, reach: "one", message, tier: "execution", allocationPath });
  }
}
