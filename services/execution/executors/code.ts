/**
 * Code steps: a real subprocess, paid for in advance by slices of time. When the next slice is refused, it is stopped before the paid
 * time ends. Wall clock and memory of all its processes are enforced; output is bounded.
 */
import { type Amount, amountsOf, DEADLINE_PASSED, type Outcome } from "#budget";
import { affordableCodeMs, type CodePrice, codeCost } from "#codec";
import { pause } from "#daemon";
import { type ExecutionError, type ExecutionErrorType, executionError, RefusalError } from "#errors";
import type { Clock, IdSource } from "#ports";
import { LIMITS } from "#std";
import { errorOfOutcome, type TierResourceManager } from "#tier";
import { type CommandOutcome, CommandStartError, type RunningCommand, runCommand } from "../process-tree/index.ts";
import type { ReserveAnswer, ReserveInput } from "../top-up.ts";
import type { Executor, StepResult } from "./executor.ts";

export interface CodeWorkOptions {
  readonly allocationId: string;
  readonly path: string;
  readonly command: readonly string[];
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: Uint8Array | undefined;
  readonly memoryBytesMax: number | undefined;
  readonly price: CodePrice | undefined;
  /** The step keeps no credits of its own: a slice is drawn from above, in full or not at all. */
  readonly pooled: boolean;
  readonly loop: TierResourceManager;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly reserve: (reserve: ReserveInput, done: (answer: ReserveAnswer) => void) => void;
}

const NO_PRICE = Object.freeze({ numerator: 0, denominator: 1 });
const FREE: CodePrice = Object.freeze({ call: NO_PRICE, second: NO_PRICE });

interface Slice {
  readonly holdId: string;
}

export class CodeExecutor implements Executor {
  readonly #options: CodeWorkOptions;
  readonly #price: CodePrice;
  #command: RunningCommand | undefined;
  #stopReason: string | undefined;
  #shortage: ExecutionError | undefined;
  /** The latest slice was refused because the lease is over. */
  #leaseIsOver = false;
  /** The same because it is paused. */
  #isRefusedByPause = false;
  #isPaused = false;
  #isPaying = false;
  /** Since when it stands still; undefined while it runs. And for how long it did before. */
  #haltedAtMs: number | undefined;
  #haltsMs = 0;
  #slice: Slice | undefined;
  /** Credits set aside so far, and charged so far; both for the whole step. */
  #paid = 0;
  #charged = 0;
  #slices = 0;
  #beganMs = 0;
  #finished = false;
  #memoryPeakBytes = 0;
  #cancelTimer: () => void = () => undefined;

  constructor(options: CodeWorkOptions) {
    this.#options = options;
    this.#price = options.price ?? FREE;
  }

  async run(): Promise<StepResult> {
    if (!(await this.#payFirst())) return this.#refused();
    if (this.#stopReason !== undefined) return this.#neverRan();
    const { command, cwd, env, stdin, memoryBytesMax, clock } = this.#options;
    this.#beganMs = clock.monotonicMs();
    const running = runCommand({
      command,
      cwd,
      env,
      stdin,
      memoryBytesMax,
      clock,
      outputBytesMax: LIMITS.stepOutputBytesMax,
      graceMs: LIMITS.codeGraceMs,
      sampleEveryMs: LIMITS.codeSampleMs,
      onUsage: ({ memoryPeakBytes }) => {
        this.#memoryPeakBytes = memoryPeakBytes;
      },
    });
    this.#command = running;
    if (this.#isPaused && !this.#isSliced) this.#halt();
    this.#armSlice();
    try {
      const outcome = await running.finished;
      await this.#settle(outcome.elapsedMs - this.#haltedMs());
      return this.#resultOf(outcome);
    } catch (error) {
      if (!(error instanceof CommandStartError)) throw error;
      await this.#settle(0);
      return { outcome: "failed", error: this.#error("TOOL_EXECUTION_FAILED", error.message) };
    }
  }

  stop(reason: string, graceMs?: number): void {
    this.#stopReason ??= reason;
    // What stands still has nothing that is paid, and is not given more than the usual time.
    const most = this.#isSliced && this.#haltedAtMs !== undefined ? LIMITS.codeGraceMs : LIMITS.graceMsMax;
    this.#countHalt();
    // Its time is counted by the engine alone, for the deadline may be moved while it runs.
    const grace = graceMs === undefined ? [] : ([{ graceMs: Math.min(graceMs, most) }] as const);
    this.#command?.stop(reason === DEADLINE_PASSED ? "wall_clock" : reason, ...grace);
  }

  /** What is paid for in slices stands still at the end of the paid one. */
  pause(): void {
    this.#isPaused = true;
    if (!this.#isSliced) this.#halt();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#haltedAtMs === undefined) return;
    if (this.#isSliced) void this.#payOn();
    else this.#goOn();
  }

  #halt(): void {
    if (!this.#command || this.#haltedAtMs !== undefined || this.#stopReason !== undefined) return;
    this.#haltedAtMs = this.#options.clock.monotonicMs();
    this.#command.halt();
  }

  #goOn(): void {
    this.#countHalt();
    this.#command?.goOn();
  }

  /** The time in which it stood still is not paid for. */
  #countHalt(): void {
    this.#haltsMs = this.#haltedMs();
    this.#haltedAtMs = undefined;
  }

  #haltedMs(): number {
    const since = this.#haltedAtMs === undefined ? 0 : this.#options.clock.monotonicMs() - this.#haltedAtMs;
    return this.#haltsMs + since;
  }

  /** Before it runs it waits for its first slice instead. */
  orphaned(): void {
    if (this.#command) this.stop("its lease has ended, and no daemon of the tier above has renewed it");
  }

  /** The first slice. A lease that does not count yet is waited for. */
  async #payFirst(): Promise<boolean> {
    for (;;) {
      if (await this.#pay()) return true;
      if (!(this.#leaseIsOver || this.#isRefusedByPause) || this.#stopReason !== undefined) return false;
      this.#shortage = undefined;
      await pause(this.#options.clock, LIMITS.childLookMs);
    }
  }

  /** Sets the next slice aside; false when it is refused. */
  #pay(): Promise<boolean> {
    const { allocationId, ids, reserve, pooled } = this.#options;
    const nextMs = this.#elapsedMs() + LIMITS.codeSliceMs + LIMITS.codeStopLeadMs;
    const wanted = Math.max(0, codeCost(nextMs, this.#price) - this.#charged) as Amount;
    const useful = Math.max(0, codeCost(this.#elapsedMs() + LIMITS.codeStopLeadMs, this.#price) - this.#charged);
    const least = (pooled ? wanted : Math.min(wanted, useful)) as Amount;
    this.#slices += 1;
    const input: ReserveInput = {
      type: "reserve",
      requestId: `code-${this.#slices}`,
      allocationId,
      holdId: ids.newId(),
      what: "code",
      name: "code_slice",
      wanted: amountsOf({ credits: wanted }),
      min: amountsOf({ credits: least }),
      ttlMs: this.#isSliced ? LIMITS.codeHoldTtlMs : LIMITS.holdTtlMsMax,
    };
    return new Promise((resolve) => {
      reserve(input, (answer) => resolve(this.#onReserved(answer)));
    });
  }

  #onReserved(answer: ReserveAnswer): boolean {
    if ("outcome" in answer && answer.outcome.type === "held") {
      this.#slice = { holdId: answer.outcome.holdId };
      this.#paid = this.#charged + answer.outcome.granted.credits;
      return true;
    }
    this.#leaseIsOver = "outcome" in answer && isRefusedWith(answer.outcome, "lease_ended");
    this.#isRefusedByPause = isPause(answer);
    this.#shortage = this.#error("RESOURCE_EXHAUSTED", this.#whyNot(answer), "credits");
    return false;
  }

  #whyNot(answer: ReserveAnswer): string {
    if ("error" in answer) return answer.error.message;
    const context = { tier: "execution", errorId: this.#options.ids.newId(), onOwn: true } as const;
    return errorOfOutcome(answer.outcome, context).message;
  }

  /** Time costs something, so that it is paid for slice by slice; otherwise one hold lasts for the whole work. */
  get #isSliced(): boolean {
    return this.#price.second.numerator > 0;
  }

  #elapsedMs(): number {
    return this.#command ? this.#options.clock.monotonicMs() - this.#beganMs - this.#haltedMs() : 0;
  }

  #armSlice(): void {
    const affordableMs = affordableCodeMs(this.#paid as Amount, this.#price);
    if (affordableMs === undefined) return;
    const delayMs = Math.max(0, affordableMs - LIMITS.codeStopLeadMs - this.#elapsedMs());
    this.#cancelTimer = this.#options.clock.after(delayMs, () => void this.#turnSlice());
  }

  /** Charges the slice that has run and pays for the next, or stops the work. */
  async #turnSlice(): Promise<void> {
    if (this.#finished) return;
    if (this.#stopReason !== undefined) {
      // It takes no further slice: what it has is kept, so that its books stay open until it is gone and its last moments are charged.
      this.#endByBudget();
      return;
    }
    if (this.#isPaused) this.#halt();
    await this.#settle(this.#elapsedMs(), { last: false });
    if (this.#isPaused && this.#haltedAtMs !== undefined) return;
    if (this.#finished) return;
    if (await this.#pay()) this.#armSlice();
    else if (!this.#isRefusedByPause) this.#endByBudget();
    else {
      // Paused further up: this daemon will hear of it, or it is over before that.
      this.#halt();
      await this.#payOn();
    }
  }

  /** It stands still: pays for the next slice, and then it goes on. */
  async #payOn(): Promise<void> {
    if (this.#isPaying) return;
    this.#isPaying = true;
    while (!this.#isPaused && !this.#finished && this.#haltedAtMs !== undefined) {
      const isPaid = await this.#pay();
      if (this.#finished) await this.#settle(this.#elapsedMs());
      else if (isPaid && this.#isPaused) await this.#settle(this.#elapsedMs(), { last: false });
      else if (isPaid) {
        this.#goOn();
        this.#armSlice();
      } else if (this.#isRefusedByPause) await pause(this.#options.clock, LIMITS.childLookMs);
      else this.#endByBudget();
    }
    this.#isPaying = false;
  }

  #endByBudget(): void {
    this.#countHalt();
    this.#command?.stop("budget");
  }

  /** Charges what the work has cost until `elapsedMs` and was not charged before, and ends the slice. */
  async #settle(elapsedMs: number, { last = true } = {}): Promise<void> {
    if (last) {
      this.#finished = true;
      this.#cancelTimer();
    }
    const slice = this.#slice;
    if (!slice) return;
    this.#slice = undefined;
    const total = this.#command ? codeCost(elapsedMs, this.#price) : 0;
    const cost = Math.max(0, total - this.#charged) as Amount;
    this.#charged += cost;
    const { loop, allocationId } = this.#options;
    const settle = {
      type: "settle",
      allocationId,
      holdId: slice.holdId,
      credits: cost,
      toolCalls: 0 as Amount,
      final: true,
    } as const;
    await loop.ask({ ...settle, networkBytes: 0, diskBytes: 0, gpuMs: 0, memoryPeakBytes: this.#memoryPeakBytes });
  }

  #error(type: ExecutionErrorType, message: string, resource?: string): ExecutionError {
    const { ids, path: allocationPath } = this.#options;
    const base = { id: ids.newId(), type, reach: "one", message, tier: "execution", allocationPath } as const;
    return executionError({ ...base, ...(resource === undefined ? {} : { resource }) });
  }

  #refused(): StepResult | Promise<StepResult> {
    return this.#shortage ? { outcome: "stopped", error: this.#shortage } : this.#neverRan();
  }

  async #neverRan(): Promise<StepResult> {
    await this.#settle(0);
    const message = `stopped before it began: ${this.#stopReason ?? "no reason given"}`;
    return { outcome: "stopped", error: this.#error("RESOURCE_EXHAUSTED", message) };
  }

  #resultOf(outcome: CommandOutcome): StepResult {
    const { exitCode, stdout, stderr, stdoutDroppedBytes, stderrDroppedBytes } = outcome;
    const output = {
      stdout,
      stderr,
      stdoutDroppedBytes: BigInt(stdoutDroppedBytes),
      stderrDroppedBytes: BigInt(stderrDroppedBytes),
    };
    const ended = { output, ...(exitCode === null ? {} : { exitCode }) };
    const error = this.#errorOf(outcome);
    if (!error) return { outcome: "succeeded", ...ended };
    return { outcome: outcome.stoppedBy === undefined ? "failed" : "stopped", error, ...ended };
  }

  #errorOf({ stoppedBy, exitCode, signal, elapsedMs }: CommandOutcome): ExecutionError | undefined {
    const after = `after ${elapsedMs} ms`;
    if (stoppedBy === "budget") {
      return this.#error(
        "RESOURCE_EXHAUSTED",
        `stopped by its budget ${after}: ${this.#shortage?.message ?? "no credits"}`,
        "credits",
      );
    }
    if (stoppedBy === "memory")
      return this.#error("RESOURCE_EXHAUSTED", `stopped ${after}: more memory than it was granted`, "memory_bytes");
    if (stoppedBy === "wall_clock") return this.#error("TIMEOUT", `stopped ${after}: its time is over`, "duration");
    if (stoppedBy !== undefined) return this.#error("RESOURCE_EXHAUSTED", `stopped ${after}: ${stoppedBy}`);
    if (exitCode === 0) return undefined;
    return this.#error(
      "TOOL_EXECUTION_FAILED",
      exitCode === null ? `ended by signal ${signal}` : `ended with exit code ${exitCode}`,
    );
  }
}

function isRefusedWith(outcome: Outcome, code: "lease_ended" | "paused"): boolean {
  return outcome.type === "refused" && outcome.refusal.code === code;
}

/** Refused because it is paused, here or by the tier above. */
function isPause(answer: ReserveAnswer): boolean {
  if ("outcome" in answer) return isRefusedWith(answer.outcome, "paused");
  return answer.error instanceof RefusalError && answer.error.refusal.reason === "PAUSED";
}
