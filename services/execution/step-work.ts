/** One step as this daemon works on it: who may spend it, what happens in it, and what does it. */
import { timingSafeEqual } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Consumable } from "#budget";
import { EventFeed } from "#daemon";
import { type RunEvent, RunEventSchema } from "#gen/bursar/v1/run_pb.js";
import type { Clock, TraceContext } from "#ports";
import type { Executor } from "./executors/executor.ts";
import { WorkerExecutor } from "./executors/worker.ts";

export interface StepFacts {
  readonly allocationId: string;
  readonly path: string;
  readonly epoch: number;
  readonly token: string | undefined;
  readonly pooled: readonly Consumable[];
  readonly trace: TraceContext | undefined;
}

export interface StepTelling {
  readonly clock: Pick<Clock, "wallMs">;
  /** The number of the next event. */
  readonly nextNumber: () => bigint;
}

export class StepWork {
  readonly allocationId: string;
  readonly path: string;
  readonly epoch: number;
  readonly pooled: readonly Consumable[];
  readonly trace: TraceContext | undefined;
  readonly feed = new EventFeed<RunEvent>();
  executor: Executor | undefined;
  readonly #token: Buffer | undefined;
  readonly #telling: StepTelling;

  constructor({ allocationId, path, epoch, token, pooled, trace }: StepFacts, telling: StepTelling) {
    this.allocationId = allocationId;
    this.path = path;
    this.epoch = epoch;
    this.pooled = pooled;
    this.trace = trace;
    this.#token = token === undefined ? undefined : Buffer.from(token);
    this.#telling = telling;
  }

  /** True when `token` is the capability to spend this step; the time it takes says nothing about the right one. */
  isToken(token: string): boolean {
    const given = Buffer.from(token);
    return this.#token !== undefined && given.length === this.#token.length && timingSafeEqual(given, this.#token);
  }

  get worker(): WorkerExecutor | undefined {
    return this.executor instanceof WorkerExecutor ? this.executor : undefined;
  }

  tell(event: MessageInitShape<typeof RunEventSchema>["event"]): void {
    const { clock, nextNumber } = this.#telling;
    const wallTimeMs = BigInt(clock.wallMs());
    this.feed.push(create(RunEventSchema, { sequence: nextNumber(), wallTimeMs, ...(event ? { event } : {}) }));
  }
}
