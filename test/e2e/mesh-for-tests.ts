/** One mesh for the tests of a file, with accounts of its own, and what they do with it in few words. */
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { FaultError } from "#errors";
import type { AllocationView } from "../../shared/gen/bursar/v1/allocation_pb.js";
import type { RunEvent, WorkerReady } from "../../shared/gen/bursar/v1/run_pb.js";
import { clientOf, type FollowedRun, runRoutine, type TestClient, TestWorker } from "./client.ts";
import { bursar, Command, type Ended, killCommands } from "./command.ts";
import { Watched } from "./decisions.ts";
import {
  argumentsOf,
  killAll,
  type Mesh,
  ROOT,
  startDaemon,
  startMesh,
  type TierName,
  temporaryFolder,
} from "./mesh.ts";

export interface SwarmWish {
  readonly account: string;
  readonly name: string;
  readonly credits: bigint;
  readonly branches?: bigint;
  readonly policy?: object;
}

/** A run that is asked for; credits are those of the run, and its steps draw on them where they state none. */
export interface RunWish {
  readonly name: string;
  readonly credits: bigint;
  readonly minCredits?: bigint;
  readonly weight?: number;
  readonly priority?: number;
  readonly durationMs?: bigint;
  readonly branches?: bigint;
  readonly waitMs?: number;
  /** Default: a new one. */
  readonly requestId?: string;
  /** Default: one worker step. */
  readonly steps?: readonly object[];
}

export interface StartedRun extends FollowedRun {
  readonly requestId: string;
}

const WORKER = { name: "agent", work: { case: "worker", value: { kind: "test", attachWithinMs: 20_000 } } };

/** A step that is done at once, by a real process. */
export const QUICK = { name: "quick", work: { case: "code", value: { command: ["true"] } } };

/** Three daemons have started by then, and commands have ended, also where the machine is busy with other things. */
const START_MS = 120_000;

export interface MeshForTestsOptions {
  /** The accounts file. Default: that of the examples. */
  readonly accounts?: string;
  /** More environment of the daemons, asked for before they are started. */
  readonly environment?: () => Promise<Readonly<Record<string, string>>>;
}

export class MeshForTests {
  /** Path of the accounts file. */
  readonly accountsFile: string;
  readonly folder: string;
  #mesh: Mesh | undefined;
  #environment: Readonly<Record<string, string>> = {};
  #client: TestClient | undefined;
  #watched: Watched | undefined;

  /** To be made at the top of a file: the mesh is there during its tests. */
  constructor({ accounts, environment }: MeshForTestsOptions = {}) {
    const { folder, remove } = temporaryFolder();
    this.folder = folder;
    this.accountsFile =
      accounts === undefined ? join(ROOT, "examples/accounts.yaml") : this.write("accounts.yaml", accounts);
    beforeAll(async () => {
      this.#environment = (await environment?.()) ?? {};
      this.#mesh = await startMesh({ folder, accounts: this.accountsFile, environment: this.#environment });
      this.#client = clientOf(this.#mesh.coordination.address);
      this.#watched = new Watched(this.#client);
      await this.#watched.begun;
    }, START_MS);
    afterAll(() => {
      this.#watched?.end();
      this.#client?.connection.close();
      killCommands();
      killAll();
      remove();
    });
  }

  get mesh(): Mesh {
    if (!this.#mesh) throw new Error("the mesh is there during tests");
    return this.#mesh;
  }

  get client(): TestClient {
    if (!this.#client) throw new Error("the client is there during tests");
    return this.#client;
  }

  get watched(): Watched {
    if (!this.#watched) throw new Error("decisions are watched during tests");
    return this.#watched;
  }

  /** Starts a daemon that has been ended again, on its journal and at its address. */
  async restart(tier: TierName): Promise<void> {
    const { [tier]: ended, coordination, process } = this.mesh;
    const parent = { coordination: undefined, process: coordination.address, execution: process.address }[tier];
    const where = { tier, folder: this.folder, listen: ended.address, parent, environment: this.#environment };
    const daemon = await startDaemon({ ...where, arguments: argumentsOf(tier, this.accountsFile) });
    this.#mesh = { ...this.mesh, [tier]: daemon };
  }

  /** Writes a file into the folder of the mesh; answers its path. */
  write(name: string, text: string): string {
    const file = join(this.folder, name);
    writeFileSync(file, text);
    return file;
  }

  /** Runs a command to its end. */
  bursar(...words: readonly string[]): Promise<Ended> {
    return bursar(this.mesh, ...words);
  }

  /** Starts a command that goes on. */
  command(...words: readonly string[]): Command {
    return new Command(this.mesh, ...words);
  }

  /** A swarm that competes as its account says, but for what `policy` says. */
  async swarm({ account, name, credits, branches, policy = {} }: SwarmWish): Promise<AllocationView> {
    const limits = { maxCredits: credits, ...(branches !== undefined && { maxConcurrentBranches: branches }) };
    const order = { requestId: randomUUID(), account, name, limits, policy };
    const { swarm } = await this.client.coordination.createSwarm(order);
    if (!swarm) throw new Error("CreateSwarm answered no swarm");
    return swarm;
  }

  run(swarm: Pick<AllocationView, "allocationId">, wish: RunWish): StartedRun {
    const { name, credits: maxCredits, minCredits, weight, priority = 0, waitMs = 0, steps = [WORKER] } = wish;
    const limits = {
      maxCredits,
      ...(wish.durationMs !== undefined && { maxDurationMs: wish.durationMs }),
      ...(wish.branches !== undefined && { maxConcurrentBranches: wish.branches }),
    };
    const share = weight === undefined ? {} : { share: { weight, minCredits: minCredits ?? maxCredits } };
    const { requestId = randomUUID() } = wish;
    const request = { requestId, swarmId: swarm.allocationId, priority, waitMs, ...share };
    const followed = runRoutine(this.client, { ...request, routine: { name, limits, steps: steps as never } });
    followed.ended.catch(() => undefined);
    return Object.assign(followed, { requestId });
  }

  async look({ allocationId }: Pick<AllocationView, "allocationId">): Promise<AllocationView> {
    const { swarm } = await this.client.coordination.getSwarm({ swarm: allocationId });
    if (!swarm) throw new Error("the swarm is gone");
    return swarm;
  }
}

/** A worker that is attached to its step. */
export class Agent {
  readonly worker: TestWorker;
  readonly #ready: WorkerReady;

  private constructor(worker: TestWorker, ready: WorkerReady) {
    this.worker = worker;
    this.#ready = ready;
  }

  static async of({ workerReady }: { readonly workerReady: Promise<WorkerReady> }): Promise<Agent> {
    const ready = await workerReady;
    const worker = new TestWorker(ready.address);
    await worker.attach(ready);
    return new Agent(worker, ready);
  }

  reserve(credits: bigint, name = "m", kind = 1) {
    const { allocationId } = this.#ready;
    const call = { requestId: randomUUID(), allocationId, kind, name, wanted: { credits }, ttlMs: 60_000 };
    return this.worker.send({ case: "reserve", value: call });
  }

  /** Reserves and settles; throws what the step refuses. */
  async spend(credits: bigint): Promise<void> {
    const held = await this.reserve(credits);
    if (held.case !== "held") throw new Error(held.case === "error" ? held.value.message : "no hold was answered");
    const { allocationId } = this.#ready;
    await this.worker.send({
      case: "settle",
      value: { allocationId, holdId: held.value.holdId, credits, final: true },
    });
  }

  async complete(): Promise<void> {
    await this.worker.send({ case: "complete", value: { allocationId: this.#ready.allocationId } });
    this.worker.close();
  }
}

/** Why the run was not begun or not followed to its end. */
export async function failureOf({ ended }: Pick<FollowedRun, "ended">): Promise<Error> {
  try {
    await ended;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("the run was not refused");
}

/** What the refusal says beside its words. */
export async function faultOf(run: Pick<FollowedRun, "ended">): Promise<FaultError["error"]> {
  const error = await failureOf(run);
  if (error instanceof FaultError) return error.error;
  throw error;
}

export function eventOf<C extends NonNullable<RunEvent["event"]["case"]>>(events: readonly RunEvent[], kind: C) {
  type Found = Extract<RunEvent["event"], { readonly case: C }>["value"];
  return events.find(({ event }) => event.case === kind)?.event.value as Found | undefined;
}
