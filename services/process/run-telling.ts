/** What a run tells: its events in order, numbered above those of earlier lives of this daemon. */
import { create } from "@bufbuild/protobuf";
import { limitsToProto } from "#codec";
import { type DaemonBase, EventFeed, eventNumbers } from "#daemon";
import { AllocationKind, AllocationState } from "#gen/bursar/v1/allocation_pb.js";
import { type RunEvent, RunEventSchema, RunStartedSchema } from "#gen/bursar/v1/run_pb.js";
import { LIMITS } from "#std";
import type { RunFacts } from "./run-facts.ts";

export class RunTelling {
  readonly feed = new EventFeed<RunEvent>();
  readonly #clock: DaemonBase["clock"];
  /** Starts that are told with what comes next. */
  #held: RunEvent[] = [];
  #cancelHold: (() => void) | undefined;
  readonly #nextNumber: () => bigint;
  /** What happened before the start was told. */
  #early: RunEvent["event"][] | undefined = [];
  #silenced = false;

  constructor({ clock }: Pick<DaemonBase, "clock">, lives: number) {
    this.#clock = clock;
    this.#nextNumber = eventNumbers(lives);
  }

  tell(event: RunEvent["event"]): void {
    if (this.#silenced) return;
    if (this.#early) this.#early.push(event);
    else this.#push(event);
  }

  /** The grant is taken: tells the start, and what has happened since. */
  started({ runId: allocationId, name, path, limits }: RunFacts): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    const kind = AllocationKind.RUN;
    const run = { allocationId, name, path, kind, state: AllocationState.OPEN, limits: limitsToProto(limits) };
    this.tell({ case: "started", value: create(RunStartedSchema, { run }) });
    for (const event of early) this.tell(event);
  }

  /** Nothing more is told but the end. */
  silence(): void {
    this.#early = undefined;
    this.#silenced = true;
  }

  /** The last event. */
  finish(event: RunEvent["event"]): void {
    this.#push(event);
    this.#release();
    this.feed.end();
  }

  #push(event: RunEvent["event"]): void {
    const wallTimeMs = BigInt(this.#clock.wallMs());
    this.#held.push(create(RunEventSchema, { sequence: this.#nextNumber(), wallTimeMs, event }));
    // That something has begun is for people to see; telling it at once would get in the way of the beginning itself, on all tiers.
    if (event.case !== "started" && event.case !== "stepStarted") this.#release();
    else this.#cancelHold ??= this.#clock.after(LIMITS.startTellingDelayMs, () => this.#release());
  }

  #release(): void {
    this.#cancelHold?.();
    this.#cancelHold = undefined;
    for (const event of this.#held.splice(0)) this.feed.push(event);
  }
}
