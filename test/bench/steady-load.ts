/** Meter under a steady load: so many calls a second, spread over all allocations, each settled as soon as its hold is there. */
import type { WorkerReady } from "#gen/bursar/v1/run_pb.js";
import { systemClock } from "#tier";
import { type Answered, type Call, type MeterPlayer, reserve, settle } from "./meter-player.ts";

/** Calls that became due are sent together, this often. */
const TICK_MS = 10;
/** From one allocation to the next: a prime, so that all get their turn, and none shortly after its neighbour. */
const STRIDE = 7_919;

export interface SteadyLoadOptions {
  readonly player: MeterPlayer;
  readonly workers: readonly WorkerReady[];
  /** Over all of the workers. */
  readonly callsPerSecond: number;
  /** What a call of this allocation costs; absent: what a call costs otherwise. */
  readonly costOf?: (allocationId: string) => bigint | undefined;
  /** Told when the settle of a call is about to be sent. */
  readonly onSettle?: (allocationId: string) => void;
}

/** An allocation whose reserve is refused (there is nothing left in it) makes no more calls; the player must take refusals. */
export class SteadyLoad {
  readonly #options: SteadyLoadOptions;
  readonly #spent = new Set<string>();
  #cancel: (() => void) | undefined;
  #startMs = 0;
  #calls = 0;
  #underWay = 0;
  #whenIdle: (() => void) | undefined;

  constructor(options: SteadyLoadOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.player.onAnswers((answers) => this.#take(answers));
    this.#startMs = performance.now();
    this.#tick();
  }

  /** Begins no more calls. */
  halt(): void {
    this.#cancel?.();
  }

  /** Begins no more calls and resolves when every one is settled. */
  async stop(): Promise<void> {
    this.halt();
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
  }

  #tick(): void {
    const { workers, callsPerSecond } = this.#options;
    const due = Math.floor(((performance.now() - this.#startMs) * callsPerSecond) / 1_000);
    const calls: Call[] = [];
    for (; this.#calls < due; this.#calls += 1) {
      const allocationId = workers[(this.#calls * STRIDE) % workers.length]?.allocationId ?? "";
      if (!this.#spent.has(allocationId)) calls.push(reserve(allocationId));
    }
    this.#underWay += calls.length;
    this.#send(calls);
    this.#cancel = systemClock.after(TICK_MS, () => this.#tick());
  }

  #take(answers: readonly Answered[]): void {
    const { costOf, onSettle } = this.#options;
    const settles: Call[] = [];
    for (const { call, result } of answers) {
      const { allocationId } = call;
      if (result.case === "held") {
        onSettle?.(allocationId);
        settles.push(settle(allocationId, result.value.holdId, costOf?.(allocationId)));
        continue;
      }
      if (result.case === "error") this.#spent.add(allocationId);
      this.#underWay -= 1;
    }
    this.#send(settles);
    if (this.#underWay === 0) this.#whenIdle?.();
  }

  #send(calls: readonly Call[]): void {
    if (calls.length > 0) this.#options.player.send(calls);
  }
}
