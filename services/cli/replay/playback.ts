/**
 * Plays a log of model calls: each line is one call of the next idle branch, reserved at its worst case and settled at its true cost.
 * A branch has one call in flight at most. The first refusal stops the intake; what is in flight is settled.
 */
import { type ModelPrice, modelCallCost, type TraceCall } from "#codec";
import { FaultError } from "#errors";
import { CallKind, type MeterAnswer } from "#gen/bursar/v1/meter_service_pb.js";
import { WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import type { Clock } from "#ports";
import { fromStatusMessage } from "#rpc";
import { LIMITS } from "#std";
import type { ReportCalls } from "../view/report.ts";
import type { CallLog } from "./call-log.ts";
import { worstCost } from "./trace-file.ts";
import type { WorkerLink } from "./worker-link.ts";

/** A branch of the replay: its allocation, and its worker's way to whoever meters it. */
export type PlaybackBranch = Pick<WorkerLink, "allocationId" | "send">;

export interface PlaybackOptions {
  readonly branches: readonly PlaybackBranch[];
  /** Name of the model, as in the price file. */
  readonly model: string;
  readonly price: ModelPrice;
  /** How many times faster than the log; undefined: as fast as branches are idle. */
  readonly speed: number | undefined;
  readonly clock: Clock;
  readonly log: CallLog;
  /** Told after each settled call. */
  readonly onSettled: (progress: PlaybackResult) => void;
}

/** How far it came. */
export interface PlaybackResult extends ReportCalls {
  /** Credits of the settles that were acknowledged. */
  readonly settledCredits: number;
  /** Cost beyond what was reserved, in credits. */
  readonly overrunCredits: number;
}

export class Playback {
  readonly #options: PlaybackOptions;
  readonly #idle: PlaybackBranch[];
  #made = 0;
  #settled = 0;
  #refused = 0;
  #settledCredits = 0;
  #overrunCredits = 0;
  #stoppedAtLine: number | null = null;
  #stopped = false;
  #lost = false;
  /** Nothing is answered any more. */
  #over = false;
  #completing = false;
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(options: PlaybackOptions) {
    this.#options = options;
    this.#idle = [...options.branches];
  }

  get result(): PlaybackResult {
    return {
      made: this.#made,
      settled: this.#settled,
      refused: this.#refused,
      stopped_at_line: this.#stoppedAtLine,
      settledCredits: this.#settledCredits,
      overrunCredits: this.#overrunCredits,
    };
  }

  /** What stopped it, other than the end of the log, a budget or its user. */
  get failure(): unknown {
    return this.#failure;
  }

  /** True once the branches were told that their work is done: then they close, and should. */
  get completing(): boolean {
    return this.#completing;
  }

  /** True when a worker was lost for good: what it had in flight may or may not have been done. */
  get lost(): boolean {
    return this.#lost;
  }

  /** No further line is played; what is in flight is settled. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  /** Workers are lost for good: what was asked will not be answered any more. */
  lose(failure: unknown): void {
    this.#over = true;
    this.#lost = true;
    this.#fail(failure);
  }

  /** As `lose`, but the run has ended, so that what was done is known; and no harm when its workers had said that they are done. */
  runOver(failure: unknown): void {
    this.#over = true;
    if (this.#completing) this.stop();
    else this.#fail(failure);
  }

  /** Plays to the end, to the first refusal, or until told to stop. Resolves when nothing is in flight any more. */
  async play(calls: AsyncIterable<TraceCall>): Promise<PlaybackResult> {
    const { clock, speed } = this.#options;
    const startMs = clock.monotonicMs();
    for await (const call of calls) {
      if (speed !== undefined) await this.#until(startMs + call.atMs / speed);
      while (this.#idle.length === 0 && !this.#stopped) await this.#change();
      if (this.#stopped) break;
      const branch = this.#idle.shift();
      if (branch === undefined) break;
      this.#reserve(branch, call);
    }
    while (!this.#over && this.#idle.length < this.#options.branches.length) await this.#change();
    return this.result;
  }

  /** Says of every branch that its work is done, and waits for the answers. */
  async complete(): Promise<void> {
    this.#completing = true;
    const byBudget = this.#stoppedAtLine !== null;
    const outcome = byBudget ? WorkOutcome.STOPPED : WorkOutcome.SUCCEEDED;
    const message = byBudget ? `the budget refused line ${this.#stoppedAtLine} of the log` : "";
    let left = this.#options.branches.length;
    for (const branch of this.#options.branches) {
      const { allocationId } = branch;
      branch.send({ case: "complete", value: { allocationId, outcome, message } }, ({ result }) => {
        left -= 1;
        if (result.case !== "done") this.#fail(errorOf(result, "complete"));
        this.#wake?.();
      });
    }
    while (left > 0 && !this.#over) await this.#change();
  }

  /** Something other than a budget is in the way; the first of its kind counts. */
  #fail(failure: unknown): void {
    this.#failure ??= failure;
    this.stop();
  }

  #reserve(branch: PlaybackBranch, call: TraceCall): void {
    const { model, price } = this.#options;
    const { allocationId } = branch;
    const requestId = `line-${call.line}`;
    const worst = { credits: BigInt(worstCost(call, price)) };
    const reserve = {
      requestId,
      allocationId,
      kind: CallKind.MODEL,
      name: model,
      wanted: worst,
      minAmount: worst,
      ttlMs: LIMITS.replayHoldTtlMs,
    };
    branch.send({ case: "reserve", value: reserve }, ({ result }) => {
      if (result.case === "held") {
        const { holdId, granted } = result.value;
        this.#made += 1;
        this.#write("reserve", {
          line: call.line,
          request_id: requestId,
          hold_id: holdId,
          credits: Number(granted?.credits ?? 0),
        });
        this.#settle(branch, call, holdId);
      } else this.#refuse(branch, call, result);
    });
  }

  #refuse(branch: PlaybackBranch, { line }: TraceCall, result: MeterAnswer["result"]): void {
    const error = errorOf(result, "reserve");
    if (error instanceof FaultError && error.error.category === "RESOURCE") {
      this.#refused += 1;
      this.#stoppedAtLine ??= line;
      this.stop();
    } else this.#fail(error);
    this.#rest(branch);
  }

  #settle(branch: PlaybackBranch, call: TraceCall, holdId: string): void {
    const { price, onSettled } = this.#options;
    const { allocationId } = branch;
    const { line, contextTokens, generatedTokens } = call;
    const facts = { contextTokens: BigInt(contextTokens), generatedTokens: BigInt(generatedTokens) };
    const settle = { allocationId, holdId, credits: BigInt(modelCallCost(call, price)), final: true, facts };
    branch.send({ case: "settle", value: settle }, ({ result }) => {
      if (result.case === "settled") {
        const credits = Number(result.value.credits);
        this.#settled += 1;
        this.#settledCredits += credits;
        this.#overrunCredits += Number(result.value.overrunCredits);
        this.#write("settle", { line, request_id: `line-${line}`, hold_id: holdId, credits });
        onSettled(this.result);
      } else this.#fail(errorOf(result, "settle"));
      this.#rest(branch);
    });
  }

  #write(
    op: "reserve" | "settle",
    entry: { line: number; request_id: string; hold_id: string; credits: number },
  ): void {
    this.#options.log.add({ t: this.#options.clock.wallMs(), op, ...entry, acknowledged: true });
  }

  #rest(branch: PlaybackBranch): void {
    this.#idle.push(branch);
    this.#wake?.();
  }

  /** Resolves when a branch has come to rest, or it is to stop. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async #until(atMs: number): Promise<void> {
    const { clock } = this.#options;
    const leftMs = atMs - clock.monotonicMs();
    if (leftMs <= 0) return;
    let over = false;
    const cancel = clock.after(leftMs, () => {
      over = true;
      this.#wake?.();
    });
    while (!over && !this.#stopped) await this.#change();
    cancel();
  }
}

function errorOf(result: MeterAnswer["result"], operation: string): unknown {
  if (result.case === "error") return fromStatusMessage(result.value);
  return new Error(`the answer to ${operation} does not fit it: ${result.case ?? "it is empty"}`);
}
