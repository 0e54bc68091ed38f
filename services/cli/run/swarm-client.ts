/** A swarm as its maker sees it: opened, its runs followed one after the other, reported, and stopped. */

import { create } from "@bufbuild/protobuf";
import type { Priority } from "#budget";
import { type AllocationView, ExecutionPriority } from "#gen/bursar/v1/allocation_pb.js";
import { RunRoutineRequestSchema } from "#gen/bursar/v1/coordination_service_pb.js";
import type { Routine } from "#gen/bursar/v1/routine_pb.js";
import type { TraceContext } from "#ports";
import { LIMITS } from "#std";
import { failureText } from "../failure-lines.ts";
import { isUnreachable, type Mesh } from "../mesh-client.ts";
import { pause } from "../pause.ts";
import type { CommonOptions, Session } from "../session.ts";
import type { Report, ReportCalls } from "../view/report.ts";
import { followRun } from "./follow-run.ts";
import { type EventTaker, Progress } from "./progress.ts";
import { RunRecord } from "./run-record.ts";
import type { SwarmOrder } from "./swarm-messages.ts";
import { swarmReport } from "./swarm-report.ts";

export interface SwarmClientParts {
  readonly mesh: Mesh;
  readonly session: Session;
  readonly trace?: TraceContext | undefined;
}

export interface FollowerOptions {
  readonly onEvent: EventTaker;
  /** What a first Ctrl-C does. Default: it stops the swarm, and the run is followed until it has ended. */
  readonly onInterrupt?: () => void;
  /** Aborting it leaves the run, which goes on. A second Ctrl-C leaves it too. */
  readonly leave?: AbortSignal;
  /** How long the run may wait for room and names, in milliseconds. Default: it does not. */
  readonly waitMs?: number;
  /** Default: NORMAL. */
  readonly priority?: Priority;
}

/** What closes a swarm, for people. */
export type StopReason = "done" | "stopped by its caller";

export class SwarmClient {
  readonly swarm: AllocationView;
  readonly #parts: SwarmClientParts;
  readonly #runs: RunRecord[] = [];
  #stopping: Promise<void> | undefined;

  private constructor(swarm: AllocationView, parts: SwarmClientParts) {
    this.swarm = swarm;
    this.#parts = parts;
  }

  /** Opens the swarm. Throws what coordination answers when it will not. */
  static async open(order: SwarmOrder, parts: SwarmClientParts): Promise<SwarmClient> {
    const { mesh, session, trace } = parts;
    const signal = session.interrupts.first;
    const requestId = session.ids.newId();
    const { waitMs = 0 } = order;
    // The answer comes when the wait has ended.
    const timeoutMs = LIMITS.unaryDeadlineMs + waitMs;
    const { swarm } = await mesh.coordination.createSwarm({ ...order, requestId }, { trace, signal, timeoutMs });
    if (swarm === undefined) throw new Error("coordination opened a swarm and did not say which");
    return new SwarmClient(swarm, parts);
  }

  /** True once somebody here has asked to stop it. */
  get stopped(): boolean {
    return this.#stopping !== undefined;
  }

  /** Runs a routine to its end. Rejects with what kept the run from starting or from being followed. */
  async run(
    routine: Routine,
    { onEvent, onInterrupt = () => this.#interrupt(), leave, waitMs = 0, priority = "NORMAL" }: FollowerOptions,
  ): Promise<RunRecord> {
    const { mesh, session, trace } = this.#parts;
    const { interrupts, clock, ids, terminal } = session;
    const record = new RunRecord(routine);
    this.#runs.push(record);
    if (interrupts.first.aborted) onInterrupt();
    interrupts.first.addEventListener("abort", onInterrupt, { once: true });
    const signal = leave === undefined ? interrupts.second : AbortSignal.any([interrupts.second, leave]);
    const request = create(RunRoutineRequestSchema, {
      requestId: ids.newId(),
      swarmId: this.swarm.allocationId,
      routine,
      priority: ExecutionPriority[priority],
      waitMs,
    });
    const { coordination } = mesh;
    const onWaiting = (why: Error): void => terminal.note(`waiting for the mesh: ${failureText(why)}`);
    try {
      const events = followRun({ coordination, request, clock, ids, signal, trace, onWaiting });
      for await (const event of events) {
        record.take(event);
        onEvent(event, record);
      }
      return record;
    } finally {
      interrupts.first.removeEventListener("abort", onInterrupt);
    }
  }

  #interrupt(): void {
    this.#parts.session.terminal.note("stopping the swarm … (once more: leave at once)");
    void this.stop("stopped by its caller");
  }

  /** The swarm with its tree, as it stands now. */
  async look(): Promise<AllocationView> {
    const { swarm } = await this.#parts.mesh.coordination.getSwarm({ swarm: this.swarm.allocationId });
    return swarm ?? this.swarm;
  }

  /** Tells of this swarm's runs on stderr. */
  progress({ json }: Pick<CommonOptions, "json">): Progress {
    const { terminal } = this.#parts.session;
    return new Progress({ terminal, json });
  }

  /** The report as things stand now. */
  async report(outcome: string, calls?: ReportCalls): Promise<Report> {
    const parts = { swarm: await this.look(), runs: this.#runs, outcome };
    return swarmReport(calls === undefined ? parts : { ...parts, calls });
  }

  /** As `report`, from a mesh that was lost and may be back in a moment. */
  async reportWhenBack(outcome: string, calls: ReportCalls): Promise<Report> {
    const { clock, interrupts } = this.#parts.session;
    const startMs = clock.monotonicMs();
    for (;;) {
      try {
        return await this.report(outcome, calls);
      } catch (error) {
        const waitedMs = clock.monotonicMs() - startMs;
        if (!isUnreachable(error) || waitedMs >= LIMITS.lostMeshPatienceMs || interrupts.first.aborted) throw error;
      }
      await pause(LIMITS.clientRetryMaxMs, { clock, signal: interrupts.first });
    }
  }

  /** Closes the swarm, so that what it did not use goes back to its account. A failure is told, and is not one of the work. */
  stop(reason: StopReason): Promise<void> {
    this.#stopping ??= this.#stop(reason);
    return this.#stopping;
  }

  async #stop(reason: StopReason): Promise<void> {
    const { mesh, session } = this.#parts;
    const { allocationId: swarm, path } = this.swarm;
    try {
      await mesh.coordination.stopSwarm(
        { swarm, reason, waitMs: LIMITS.swarmStopWaitMs },
        { timeoutMs: LIMITS.swarmStopWaitMs * 2 },
      );
    } catch (error) {
      const advice = `stop it with: ${session.calledAs} stop ${swarm}`;
      session.terminal.note(`${path} could not be stopped (${failureText(error)}); ${advice}`);
    }
  }
}
