/**
 * The same work once against a real coordination daemon, in real time: its 15,000 jobs ask over StreamGrants as a process daemon does, wait there,
 * run for as long as they run, and are over with their final report, every decision synced to the journal before it is told. A cohort is a
 * swarm with a run of ours in it, which lets us ask beside it. What coordination asks back over PreemptionService is served: a job that is
 * stopped ends at once and is asked for again from nothing, one that is asked for what it has free answers that it has nothing free.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  AllocationKind,
  AllocationState,
  ConflictStrategy,
  ExecutionPriority,
  type PreemptionRulesSchema,
} from "#gen/bursar/v1/allocation_pb.js";
import {
  BudgetService,
  type GrantDecision,
  GrantOutcome,
  type GrantRequestSchema,
  StreamGrantsRequestSchema,
  StreamUsageRequestSchema,
  type StreamUsageResponse,
  type UsageReportSchema,
} from "#gen/bursar/v1/budget_service_pb.js";
import { CoordinationService } from "#gen/bursar/v1/coordination_service_pb.js";
import {
  type PreemptItem,
  PreemptionMode,
  PreemptionService,
  type PreemptResponseSchema,
} from "#gen/bursar/v1/preemption_service_pb.js";
import { ProcessService } from "#gen/bursar/v1/process_service_pb.js";
import { bind, type Connection, connect, type DuplexStream, type GrpcServer, startGrpcServer } from "#rpc";
import { assert, LIMITS } from "#std";
import { systemClock, systemIds } from "#tier";
import { startDaemon } from "../e2e/mesh.ts";
import { type ClassResult, classResults, type KueueResult } from "./kueue-result.ts";
import { type Arrival, arrivals, KUEUE } from "./kueue-shape.ts";

type Grants = MessageInitShape<typeof StreamGrantsRequestSchema>;
type Usage = MessageInitShape<typeof StreamUsageRequestSchema>;

const ACCOUNT = "kueue";
const PRIORITY_OF = {
  LOW: ExecutionPriority.LOW,
  NORMAL: ExecutionPriority.NORMAL,
  HIGH: ExecutionPriority.HIGH,
} as const;
/** Items in one message, and the pause in which they gather. */
const ITEMS_MAX = 1_000;
const GATHER_MS = 2;
const RENEW_MS = 4_000;
/** Nothing took so long: something hangs. */
const GIVE_UP_MS = 180_000;

interface Job extends Arrival {
  readonly id: string;
  attempt: number;
  allocationId: string | undefined;
  firstStartMs: number | undefined;
  lastStartMs: number;
  preemptions: number;
  cancelEnd: () => void;
}

export interface KueueMeshOptions {
  /** Default: the usual ones. */
  readonly rules?: MessageInitShape<typeof PreemptionRulesSchema>;
}

export interface KueueMeshResult extends KueueResult {
  /** What coordination asked back over PreemptionService. */
  readonly asked: { readonly shrink: number; readonly stop: number };
}

/** Real milliseconds from the first arrival to the last end, and the waits of each class. */
export async function playKueueMesh(options: KueueMeshOptions = {}): Promise<KueueMeshResult> {
  const folder = mkdtempSync(join(tmpdir(), "bursar-kueue-"));
  const accounts = join(folder, "accounts.yaml");
  const memory = KUEUE.cohorts * KUEUE.unitsPerCohort;
  writeFileSync(accounts, `accounts:\n  - name: ${ACCOUNT}\n    limits: { credits: 1_000, memory: ${memory} }\n`);
  const coordination = await startDaemon({ tier: "coordination", folder, arguments: ["--accounts", accounts] });
  const player = new MeshPlayer(connect({ address: coordination.address, clock: systemClock }), options);
  try {
    await player.join();
    return await player.play();
  } finally {
    await player.leave();
    await coordination.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

class MeshPlayer {
  readonly #connection: Connection;
  readonly #rules: KueueMeshOptions["rules"];
  readonly #asked = { shrink: 0, stop: 0 };
  readonly #grants: DuplexStream<unknown, Grants>;
  readonly #usage: DuplexStream<StreamUsageResponse, Usage>;
  readonly #welcomed = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<void>();
  readonly #identity = { instance: "kueue-player", incarnation: systemIds.newId() };
  readonly #jobs = new Map<string, Job>();
  readonly #byAllocation = new Map<string, Job>();
  readonly #swarms: string[] = [];
  readonly #runs: string[] = [];
  readonly #taken: ((runId: string) => void)[] = [];
  readonly #inUse: number[] = Array.from({ length: KUEUE.cohorts }, () => 0);
  #asks: MessageInitShape<typeof GrantRequestSchema>[] = [];
  #reports: MessageInitShape<typeof UsageReportSchema>[] = [];
  #inUseMost = 0;
  #vainMs = 0;
  #sequence = 0n;
  #decisions = 0;
  #left = 0;
  #gathering = false;
  #startMs = 0;
  #server: GrpcServer | undefined;
  #cancelRenew: () => void = () => undefined;
  #cancelGiveUp: () => void = () => undefined;

  constructor(connection: Connection, { rules }: KueueMeshOptions) {
    this.#connection = connection;
    this.#rules = rules;
    const client = connection.client(BudgetService);
    const grants = client.streamGrants();
    this.#usage = client.streamUsage();
    grants.onMessage(({ welcome, decisions }) => {
      if (welcome !== undefined) {
        this.#usage.send({ welcomeId: welcome.welcomeId });
        this.#welcomed.resolve();
      }
      for (const decision of decisions) this.#guarded(() => this.#onDecision(decision));
    });
    this.#grants = grants as DuplexStream<unknown, Grants>;
    this.#usage.onMessage(({ acknowledgements }) => {
      const refused = acknowledgements.find(({ error }) => error !== undefined);
      if (refused) this.#over.reject(new Error(`a report was refused: ${refused.error?.message}`));
    });
    for (const stream of [grants, this.#usage]) {
      stream.onEnd((error) => this.#over.reject(error ?? new Error("coordination ended a stream")));
    }
  }

  async join(): Promise<void> {
    await this.#serve();
    const hello = {
      ...this.#identity,
      journalId: systemIds.newId(),
      address: this.#server?.address ?? "",
      tier: "process",
    };
    this.#grants.send({ hello });
    this.#usage.send({ hello });
    await this.#welcomed.promise;
    for (let cohort = 0; cohort < KUEUE.cohorts; cohort += 1) await this.#openCohort(cohort);
  }

  async play(): Promise<KueueMeshResult> {
    this.#startMs = systemClock.monotonicMs();
    this.#cancelGiveUp = systemClock.after(GIVE_UP_MS, () => {
      this.#over.reject(new Error(`${this.#left} jobs are not done after ${GIVE_UP_MS} ms`));
    });
    this.#renewLater();
    for (const arrival of arrivals()) {
      const id = `${arrival.cohort}-${arrival.queue}-${arrival.of.name}-${arrival.number}`;
      const plain = { attempt: 0, allocationId: undefined, firstStartMs: undefined, lastStartMs: 0, preemptions: 0 };
      const job: Job = { ...arrival, ...plain, id, cancelEnd: () => undefined };
      this.#jobs.set(id, job);
      systemClock.after(arrival.atMs, () => this.#ask(job));
    }
    this.#left = this.#jobs.size;
    await this.#over.promise;
    return this.#result(this.#nowMs());
  }

  async leave(): Promise<void> {
    this.#cancelRenew();
    this.#cancelGiveUp();
    this.#over.resolve();
    this.#grants.close();
    this.#usage.close();
    this.#connection.close();
    await this.#server?.drain(0);
  }

  async #serve(): Promise<void> {
    const process = bind(ProcessService, {
      executeRoutines: (stream) => {
        stream.onEnd(() => stream.close());
        stream.onMessage(({ orders }) => {
          for (const { grant } of orders) this.#taken.shift()?.(grant?.allocationId ?? "");
        });
      },
    });
    const preempted = (item: PreemptItem) => this.#preempted(item);
    const preemption = bind(PreemptionService, {
      async *preempt({ items }) {
        for (const item of items) yield preempted(item);
      },
    });
    this.#server = await startGrpcServer({
      listen: "127.0.0.1:0",
      allowInsecure: false,
      services: [process, preemption],
      clock: systemClock,
      onError: ({ error }) => this.#over.reject(error),
    });
  }

  async #openCohort(cohort: number): Promise<void> {
    const client = this.#connection.client(CoordinationService);
    const { swarm } = await client.createSwarm({
      requestId: systemIds.newId(),
      account: ACCOUNT,
      name: `cohort-${cohort}`,
      limits: { maxCredits: 10n, maxMemoryBytes: BigInt(KUEUE.unitsPerCohort) },
      policy: {
        strategy: ConflictStrategy.PREEMPTION_ALLOWED,
        ...(this.#rules && { preemption: this.#rules }),
      },
    });
    const swarmId = swarm?.allocationId ?? "";
    this.#swarms.push(swarmId);
    const taken = new Promise<string>((resolve) => this.#taken.push(resolve));
    const step = { name: "step", work: { case: "worker", value: { kind: "bench" } } } as const;
    const routine = { name: "queues", limits: { maxCredits: 1n, maxMemoryBytes: 0n }, steps: [step] };
    const events = client.runRoutine({ requestId: systemIds.newId(), swarmId, routine });
    events[Symbol.asyncIterator]()
      .next()
      .catch((error: unknown) => this.#over.reject(error));
    this.#runs.push(await taken);
  }

  #nowMs(): number {
    return systemClock.monotonicMs() - this.#startMs;
  }

  #ask(job: Job): void {
    job.attempt += 1;
    this.#asks.push({
      requestId: `${job.id}.${job.attempt}`,
      parentAllocationId: this.#swarms[job.cohort] ?? "",
      name: job.id,
      kind: AllocationKind.RUN,
      limits: { maxMemoryBytes: BigInt(job.of.units) },
      priority: PRIORITY_OF[job.of.priority],
      waitMs: LIMITS.queueWaitMsMax,
    });
    this.#sendSoon();
  }

  #onDecision({ requestId, outcome, grant, error }: GrantDecision): void {
    this.#decisions += 1;
    if (outcome === GrantOutcome.QUEUED) return;
    const job = this.#jobs.get(requestId.split(".")[0] ?? "");
    assert(outcome === GrantOutcome.FULL && grant !== undefined, `${requestId} is granted: ${error?.message}`);
    assert(job !== undefined && job.allocationId === undefined, `${requestId} is granted once`);
    const inUse = (this.#inUse[job.cohort] ?? 0) + job.of.units;
    this.#inUse[job.cohort] = inUse;
    this.#inUseMost = Math.max(this.#inUseMost, inUse);
    assert(inUse <= KUEUE.unitsPerCohort, `cohort ${job.cohort} has ${inUse} units in use`);
    job.allocationId = grant.allocationId;
    this.#byAllocation.set(grant.allocationId, job);
    job.lastStartMs = this.#nowMs();
    job.firstStartMs ??= job.lastStartMs;
    job.cancelEnd = systemClock.after(job.of.runsMs, () => this.#end(job));
  }

  #end(job: Job): void {
    this.#leave(job);
    this.#left -= 1;
    if (this.#left === 0) this.#over.resolve();
  }

  /** Its units are free again once its final account is there. */
  #leave(job: Job): void {
    const { allocationId = "" } = job;
    this.#byAllocation.delete(allocationId);
    job.allocationId = undefined;
    this.#inUse[job.cohort] = (this.#inUse[job.cohort] ?? 0) - job.of.units;
    this.#report(allocationId, true);
  }

  #preempted({
    preemptionId,
    allocationId,
    mode,
    amounts,
  }: PreemptItem): MessageInitShape<typeof PreemptResponseSchema> {
    this.#asked[mode === PreemptionMode.STOP ? "stop" : "shrink"] += 1;
    const job = this.#byAllocation.get(allocationId);
    if (job && mode === PreemptionMode.STOP) {
      job.cancelEnd();
      job.preemptions += 1;
      this.#vainMs += (this.#nowMs() - job.lastStartMs) * job.of.units;
      this.#leave(job);
      this.#ask(job);
    }
    return {
      preemptionId,
      allocationId,
      reclaimed: {},
      ...(amounts && { pending: amounts }),
      returnedTotal: {},
      exhausted: mode !== PreemptionMode.STOP,
      done: true,
    };
  }

  #report(allocationId: string, final: boolean): void {
    this.#sequence += 1n;
    const state = final ? AllocationState.CLOSED : AllocationState.OPEN;
    this.#reports.push({
      allocationId,
      state,
      final,
      epoch: 1n,
      sequence: this.#sequence,
      usage: {},
      returnedTotal: {},
    });
    this.#sendSoon();
  }

  #sendSoon(): void {
    if (this.#gathering) return;
    this.#gathering = true;
    systemClock.after(GATHER_MS, () => {
      this.#gathering = false;
      const [reports, requests] = [this.#reports, this.#asks];
      this.#reports = [];
      this.#asks = [];
      for (let at = 0; at < reports.length; at += ITEMS_MAX)
        this.#usage.send(create(StreamUsageRequestSchema, { reports: reports.slice(at, at + ITEMS_MAX) }));
      for (let at = 0; at < requests.length; at += ITEMS_MAX)
        this.#grants.send(create(StreamGrantsRequestSchema, { requests: requests.slice(at, at + ITEMS_MAX) }));
    });
  }

  /** The runs, and whatever of ours runs long enough. */
  #renewLater(): void {
    this.#cancelRenew = systemClock.after(RENEW_MS, () => {
      for (const runId of this.#runs) this.#report(runId, false);
      this.#renewLater();
    });
  }

  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#over.reject(error);
    }
  }

  #result(totalMs: number): KueueMeshResult {
    const preemptions = { small: 0, medium: 0, large: 0 };
    for (const { of, preemptions: times } of this.#jobs.values()) preemptions[of.name] += times;
    const classes: readonly ClassResult[] = classResults([...this.#jobs.values()], preemptions);
    const all = totalMs * KUEUE.unitsPerCohort * KUEUE.cohorts;
    const done = [...this.#jobs.values()].reduce((sum, { of }) => sum + of.units * of.runsMs, 0);
    return {
      totalMs,
      usagePercent: (100 * done) / all,
      busyPercent: (100 * (done + this.#vainMs)) / all,
      unitsInUseMost: this.#inUseMost,
      decisions: this.#decisions,
      asked: this.#asked,
      classes,
    };
  }
}
