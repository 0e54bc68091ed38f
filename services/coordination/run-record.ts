/** One run as coordination follows it: waits for room, is handed to a process daemon, and tells what happens until its books are final. */
import { create } from "@bufbuild/protobuf";
import { type Conflict, conflictWords, ENDED_BY_HOLDER, gaveWay, usageOf } from "#budget";
import { conflictToProto, lowBudgetToProto, usageToProto, viewOf } from "#codec";
import { type DelegateEnd, delegateWork, EventFeed, eventNumbers } from "#daemon";
import { boundedText } from "#errors";
import { type RunEvent, RunEventSchema, type RunFinished, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import type { LowBudget } from "#ports";
import { LIMITS } from "#std";
import type { NextAttempt } from "./run-attempts.ts";
import { orderOf, type RunOrder, type RunWork } from "./run-order.ts";
import type { SwarmParts } from "./swarm-parts.ts";

/** The name of an outcome as views show it. */
const OUTCOME_NAME = new Map<WorkOutcome, string>([
  [WorkOutcome.SUCCEEDED, "succeeded"],
  [WorkOutcome.FAILED, "failed"],
  [WorkOutcome.STOPPED, "stopped"],
]);

/** An attempt after which another one may be made. */
export interface AttemptEnd {
  /** It gave way to others; or no daemon ever took it. */
  readonly why: "gave_way" | "untaken";
  /** How it ended, where its process daemon said. */
  readonly finished: RunFinished | undefined;
}

/** Key of the note that keeps how a run ended, beside its allocation. */
export const OUTCOME_NOTE = "outcome";

export class RunRecord {
  readonly feed = new EventFeed<RunEvent>();
  readonly #parts: SwarmParts;
  readonly #nextNumber: () => bigint;
  /** What was asked for; undefined for one that an earlier life of this daemon began. */
  order: RunOrder | undefined;
  #isStarted = false;
  #runId: string;
  #attempt = 1;
  #gaveWayLast: string | undefined;
  #untaken = 0;

  /** `lives`: the life of this daemon, whose events are numbered above those of earlier ones. */
  constructor(runId: string, lives: number, parts: SwarmParts) {
    this.#runId = runId;
    this.#parts = parts;
    this.#nextNumber = eventNumbers(lives);
  }

  /** The allocation of the present attempt. */
  get runId(): string {
    return this.#runId;
  }

  /** Number of the present attempt: 1 for the first. */
  get attempt(): number {
    return this.#attempt;
  }

  /** The latest attempt that gave way. */
  get gaveWayLast(): string | undefined {
    return this.#gaveWayLast;
  }

  /** It is tried again, as another allocation. Told when it has given way; what was never begun begins as if for the first time. */
  async tryAgain({ runId, attempt, isUntaken }: NextAttempt): Promise<void> {
    const allocationId = this.#runId;
    this.#runId = runId;
    this.#attempt = attempt;
    this.#isStarted = false;
    if (isUntaken) return;
    this.#gaveWayLast = allocationId;
    const before = await this.#parts.base.loop.read(({ allocations }) => {
      const node = allocations.get(allocationId);
      return node && { reason: node.closingReason ?? "", usage: usageToProto(usageOf(node)) };
    });
    const next = { nextAllocationId: runId, nextAttempt: attempt };
    const told = { allocationId, reason: boundedText(before?.reason ?? ""), ...next };
    const usage = before ? { usage: before.usage } : {};
    this.tell({ case: "preempted", value: { $typeName: "bursar.v1.RunPreempted", ...told, ...usage } });
  }

  /** Whether one that was never taken is granted once more: a daemon that is there takes what it is handed, so that is seldom asked. */
  mayBeginAnew(): boolean {
    this.#untaken += 1;
    return this.#untaken < LIMITS.recoveryAttemptsMax;
  }

  tell(event: RunEvent["event"]): void {
    this.#isStarted ||= event.case === "started";
    const wallTimeMs = BigInt(this.#parts.base.clock.wallMs());
    this.feed.push(create(RunEventSchema, { sequence: this.#nextNumber(), wallTimeMs, event }));
  }

  /** What stands above the run is nearly used up. Before its start that is nothing to the run. */
  runsLow(low: LowBudget): void {
    if (this.#isStarted && !this.feed.ended) this.tell({ case: "lowBudget", value: lowBudgetToProto(low) });
  }

  queued(conflict: Conflict): void {
    this.tell({
      case: "queued",
      value: {
        $typeName: "bursar.v1.RunQueued",
        conflict: conflictToProto(conflict),
        reason: boundedText(conflictWords(conflict)),
      },
    });
  }

  /**
   * Follows the run to its end. A refusal by the process daemon ends the feed with it. Answers how it ended when it gave way to others and
   * nobody stopped it, or was never taken: then its end is not told yet.
   */
  async follow(work: RunWork): Promise<AttemptEnd | undefined> {
    const { base, closings, lines, downlink } = this.#parts;
    const allocationId = this.runId;
    const join = { grant: { allocationId } };
    const handOver = work.type === "join" ? join : orderOf(work);
    const held = work.type === "join" ? work : { epoch: work.grant.epoch, holder: work.child.instance };
    let finished: RunFinished | undefined;
    let how: DelegateEnd | undefined;
    const onEvent = ({ event }: RunEvent) => {
      if (event.case === "finished") finished = event.value;
      // A process daemon that was started again tells the start again.
      else if (event.case !== "started" || !this.#isStarted) this.tell(event);
    };
    try {
      how = await delegateWork({
        base,
        closings,
        grant: { allocationId, epoch: held.epoch },
        downlink,
        holder: held.holder,
        handsOver: work.type === "hand_over",
        open: (child, how, signal) => lines.follow(child, how === "join" ? join : handOver, signal),
        sequenceOf: ({ sequence }) => Number(sequence),
        onEvent,
        isLast: ({ event }) => event.case === "finished",
      });
    } catch (error) {
      this.feed.end(error);
      return undefined;
    }
    if (await this.#gaveWay(finished)) return { why: "gave_way", finished };
    // Whoever was told to take it, and knows nothing of it, has done nothing of it.
    const isUnknown = how === "unknown" && work.type === "hand_over" && !this.#isStarted;
    if (isUnknown && (await this.#isUntaken())) return { why: "untaken", finished };
    await this.finish(finished);
    return undefined;
  }

  /** Whoever did what it should meanwhile needs no other try. */
  async #gaveWay(finished: RunFinished | undefined): Promise<boolean> {
    if (finished && finished.outcome !== WorkOutcome.STOPPED) return false;
    return this.#parts.base.loop.read(({ allocations }) => {
      const node = allocations.get(this.runId);
      return node?.parent?.state === "open" && gaveWay(node);
    });
  }

  /** It went back because its holder did not name it in its hello, and nobody closed it: that daemon had died, or was away when it was granted. */
  async #isUntaken(): Promise<boolean> {
    return this.#parts.base.loop.read(({ allocations }) => {
      const node = allocations.get(this.runId);
      if (node?.closingReason !== ENDED_BY_HOLDER || node.parent?.state !== "open") return false;
      const { credits, toolCalls } = usageOf(node);
      return credits === 0 && toolCalls === 0;
    });
  }

  /** Tells how a run ended that is closed, as far as it is still known. */
  async tellEnded(): Promise<void> {
    const { base } = this.#parts;
    const known = await base.loop.read((state, nowMs) => {
      const node = state.allocations.get(this.runId);
      const name = node?.notes.get(OUTCOME_NOTE) ?? OUTCOME_NAME.get(WorkOutcome.STOPPED) ?? "";
      return node && { name, run: viewOf(node, { depth: 0, nowMs, outcome: () => name }) };
    });
    const outcome = [...OUTCOME_NAME].find(([, name]) => name === known?.name)?.[0] ?? WorkOutcome.STOPPED;
    const run = known ? { run: known.run } : {};
    this.tell({ case: "finished", value: { $typeName: "bursar.v1.RunFinished", outcome, ...run } });
    this.feed.end();
  }

  /** Tells the end with the books as they stand here, and keeps how it ended with the allocation. */
  async finish(finished: RunFinished | undefined): Promise<void> {
    const { base } = this.#parts;
    const outcome = finished?.outcome ?? WorkOutcome.STOPPED;
    const name = OUTCOME_NAME.get(outcome) ?? "failed";
    await base.loop.ask({ type: "attach_note", allocationId: this.runId, key: OUTCOME_NOTE, value: name });
    const run = await base.loop.read((state, nowMs) => {
      const node = state.allocations.get(this.runId);
      return node && viewOf(node, { depth: 0, nowMs, outcome: () => name });
    });
    this.#parts.trees.keep(this.runId, finished?.run?.children ?? []);
    if (run) run.children = finished?.run?.children ?? [];
    const error = finished?.error ? { error: finished.error } : {};
    this.tell({
      case: "finished",
      value: { $typeName: "bursar.v1.RunFinished", outcome, ...error, ...(run ? { run } : {}) },
    });
    this.feed.end();
  }
}
