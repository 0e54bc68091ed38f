/** The clients and workers of one round: a swarm that replays a request log, a swarm of many runs, and somebody who watches the books. */

import type { AllocationView } from "#gen/bursar/v1/allocation_pb.js";
import { CoordinationService } from "#gen/bursar/v1/coordination_service_pb.js";
import type { WorkerReady } from "#gen/bursar/v1/run_pb.js";
import { type Client, type Connection, connect } from "#rpc";
import { Prng } from "#std";
import { systemClock } from "#tier";
import { DEMO_ACCOUNT } from "../client.ts";
import { elapse, until } from "./elapse.ts";
import { followRun } from "./followed-run.ts";
import { MeterConnections } from "./meter-connection.ts";
import { anyCalls, replayedCalls } from "./planned-calls.ts";
import type { RoundPlan } from "./round-plan.ts";
import { anyRoutine, replayRoutine } from "./routines.ts";
import { type PlannedCall, Worker } from "./worker.ts";
import type { WorkerLog } from "./worker-log.ts";

export interface LoadOptions {
  readonly plan: RoundPlan;
  /** Where clients dial coordination. */
  readonly address: string;
  /** Where a worker dials the execution daemon that advertises an address. */
  readonly workersWay: (address: string) => string;
  readonly log: WorkerLog;
}

/** A swarm of the round. */
export interface SwarmFacts {
  readonly id: string;
  readonly path: string;
}

const SWARM_PATIENCE_MS = 20_000;
/** Runs of one swarm in a round at most: fewer than a node remembers of closed children. */
const RUNS_MAX = 400;

export class Load {
  readonly swarms: SwarmFacts[] = [];
  /** What should never have been answered. */
  readonly faults: string[] = [];
  /** What a client was last told when a run could not be started or followed. */
  lastFailure = "";
  readonly #options: LoadOptions;
  readonly #connection: Connection;
  readonly #coordination: Client<typeof CoordinationService>;
  readonly #prng: Prng;
  readonly #windUp = new AbortController();
  readonly #leave = new AbortController();
  readonly #busy = new Set<Promise<unknown>>();
  #runs = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#prng = new Prng(options.plan.seed).fork("load");
    this.#connection = connect({ address: options.address, clock: systemClock });
    this.#coordination = this.#connection.client(CoordinationService);
  }

  get coordination(): Client<typeof CoordinationService> {
    return this.#coordination;
  }

  /** Runs asked for so far. */
  get runs(): number {
    return this.#runs;
  }

  start(): void {
    const { crowd, replay } = this.#options.plan;
    this.#keep(this.#replay(replay));
    this.#keep(this.#crowd(crowd));
  }

  /** No run and no call begins any more. Resolves when all have ended, or after `patienceMs`, when clients and workers leave. */
  async finish(patienceMs: number): Promise<void> {
    this.#windUp.abort();
    const idle = new AbortController();
    void this.#idle().then(() => idle.abort());
    await elapse(patienceMs, idle.signal);
    this.#leave.abort();
    await this.#idle();
  }

  close(): void {
    this.#connection.close();
  }

  async #idle(): Promise<void> {
    while (this.#busy.size > 0) await Promise.all(this.#busy);
  }

  /** Remembers work until it is done; what it fails by is a fault. */
  #keep(work: Promise<unknown>): void {
    const kept = work
      .catch((error: unknown) =>
        this.faults.push(error instanceof Error ? (error.stack ?? error.message) : String(error)),
      )
      .finally(() => this.#busy.delete(kept));
    this.#busy.add(kept);
  }

  /** The same request until it is answered: it has one effect. */
  async #swarm(name: string, limits: { maxCredits: bigint; maxToolCalls?: bigint }): Promise<AllocationView> {
    const requestId = `swarm-${name}`;
    const request = { requestId, account: DEMO_ACCOUNT, name, limits };
    const swarm = await until(SWARM_PATIENCE_MS, async () => (await this.#coordination.createSwarm(request)).swarm);
    if (swarm === undefined) throw new Error(`no swarm ${name} within ${SWARM_PATIENCE_MS} ms`);
    this.swarms.push({ id: swarm.allocationId, path: swarm.path });
    return swarm;
  }

  async #replay(facts: RoundPlan["replay"]): Promise<void> {
    const swarm = await this.#swarm("replay", { maxCredits: BigInt(facts.credits) });
    const calls = await replayedCalls(this.#prng.fork("replay"));
    const connections = new MeterConnections();
    this.#leave.signal.addEventListener("abort", () => connections.close(), { once: true });
    while (!this.#windUp.signal.aborted && this.#runs < RUNS_MAX) {
      const name = this.#nextRun();
      const credits = await this.#free(swarm.allocationId);
      if (credits > 0) {
        const routine = replayRoutine(name, { ...facts, credits });
        const prng = this.#prng.fork(name);
        await this.#run(swarm, name, routine, (ready) =>
          this.#send(ready, { calls, connections, prng, vanishes: false }),
        );
      }
      await elapse(50, this.#windUp.signal);
    }
  }

  /** What the swarm has to grant; 0 when nobody says. */
  async #free(swarm: string): Promise<number> {
    const books = await until(
      1_000,
      async () => (await this.#coordination.getSwarm({ swarm, depth: 1 })).swarm?.credits,
    );
    return Number(books?.available ?? 0n);
  }

  async #crowd({ credits, toolCalls, runsAtOnce }: RoundPlan["crowd"]): Promise<void> {
    const swarm = await this.#swarm("crowd", { maxCredits: BigInt(credits), maxToolCalls: BigInt(toolCalls) });
    await Promise.all(Array.from({ length: runsAtOnce }, () => this.#runsInTurn(swarm)));
  }

  async #runsInTurn(swarm: AllocationView): Promise<void> {
    while (!this.#windUp.signal.aborted && this.#runs < RUNS_MAX) {
      const name = this.#nextRun();
      const prng = this.#prng.fork(name);
      await this.#run(swarm, name, anyRoutine(name, prng), (ready) => {
        const own = prng.fork(ready.path);
        const calls = anyCalls(own, 2 + own.below(14));
        const connections = new MeterConnections();
        return this.#send(ready, { calls, connections, prng: own, vanishes: true }).finally(() => connections.close());
      });
      await elapse(20, this.#windUp.signal);
    }
  }

  #nextRun(): string {
    this.#runs += 1;
    return `run-${this.#runs}`;
  }

  async #run(
    swarm: AllocationView,
    name: string,
    routine: ReturnType<typeof anyRoutine>,
    send: (ready: WorkerReady) => Promise<void>,
  ): Promise<void> {
    const fault = await followRun({
      coordination: this.#coordination,
      requestId: `request-${name}`,
      swarmId: swarm.allocationId,
      routine,
      onReady: (ready) => this.#keep(send(ready)),
      onFailure: (error) => {
        this.lastFailure = String(error);
      },
      windUp: this.#windUp.signal,
      leave: this.#leave.signal,
    });
    if (fault !== undefined) this.faults.push(fault);
  }

  #send(
    { allocationId, token, path, address }: WorkerReady,
    how: { calls: Iterator<PlannedCall>; connections: MeterConnections; prng: Prng; vanishes: boolean },
  ): Promise<void> {
    const { log, workersWay } = this.#options;
    const ready = { allocationId, token, path, address: workersWay(address) };
    return new Worker({ ready, log, ...how, windUp: this.#windUp.signal, leave: this.#leave.signal }).work();
  }
}
