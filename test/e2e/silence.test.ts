/**
 * Daemons that fall silent. Coordination dies and comes back: its runs go on and can be watched again. A daemon below stays away: what it
 * had not reported is in doubt, a person writes it off, and its true account corrects that when it comes back after all.
 */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AllocationState, type AllocationView } from "../../shared/gen/bursar/v1/allocation_pb.js";
import type { WorkerReady } from "../../shared/gen/bursar/v1/run_pb.js";
import {
  clientOf,
  createSwarm,
  FollowedRun,
  runRoutine,
  type TestClient,
  TestWorker,
  workerRoutine,
} from "./client.ts";
import { type Daemon, killAll, startDaemon, type TierName, temporaryFolder } from "./mesh.ts";

const SUCCEEDED = 1;
const AT_LEAST = { timeout: 30_000, interval: 50 };
const TIERS = ["coordination", "process", "execution"] as const;

let folder: string;
let remove: () => void;
let daemons: { [T in TierName]: Daemon };
let client: TestClient;

function start(tier: TierName, listen?: string): Promise<Daemon> {
  const above = TIERS[TIERS.indexOf(tier) - 1];
  const own = tier === "coordination" ? ["--accounts", "examples/accounts.yaml"] : [];
  const lease = tier === "execution" ? [] : ["--lease-ttl-ms", "2000"];
  const parent = above && daemons[above].address;
  return startDaemon({ tier, folder, ...(listen ? { listen } : {}), parent, arguments: [...own, ...lease] });
}

async function again(tier: TierName): Promise<void> {
  daemons[tier] = await start(tier, daemons[tier].address);
}

beforeEach(async () => {
  ({ folder, remove } = temporaryFolder());
  daemons = {} as typeof daemons;
  for (const tier of TIERS) daemons[tier] = await start(tier);
  client = clientOf(daemons.coordination.address);
});

afterEach(() => {
  client.connection.close();
  killAll();
  remove();
});

async function attached(at: WorkerReady): Promise<TestWorker> {
  const worker = new TestWorker(at.address);
  expect(await worker.attach(at)).toMatchObject({ case: "done" });
  return worker;
}

async function reserve(worker: TestWorker, { allocationId }: WorkerReady, credits: bigint): Promise<string> {
  const value = { requestId: randomUUID(), allocationId, kind: 1, name: "m", wanted: { credits } };
  const answer = await worker.send({ case: "reserve", value });
  expect(answer.case).toBe("held");
  return answer.case === "held" ? answer.value.holdId : "";
}

async function settle(worker: TestWorker, { allocationId }: WorkerReady, holdId: string, credits: bigint) {
  const answer = await worker.send({ case: "settle", value: { allocationId, holdId, credits, final: true } });
  expect(answer.case).toBe("settled");
}

async function swarmOf(id: string): Promise<AllocationView> {
  const { swarm } = await client.coordination.getSwarm({ swarm: id });
  if (!swarm) throw new Error("GetSwarm answered no swarm");
  return swarm;
}

const runOf = async (swarmId: string) => (await swarmOf(swarmId)).children[0];

test("runs go on while coordination is away, are watched again, and the same request joins them", async () => {
  const { allocationId: swarmId } = await createSwarm(client, 1_000n);
  const request = { requestId: randomUUID(), swarmId, routine: workerRoutine(300n) };
  const followed = runRoutine(client, request);
  followed.ended.catch(() => undefined);
  const ready = await followed.workerReady;
  const worker = await attached(ready);
  const inFlight = await reserve(worker, ready, 100n);
  await daemons.coordination.end("SIGKILL");
  await expect(followed.ended).rejects.toThrow();
  await settle(worker, ready, inFlight, 80n);
  await again("coordination");
  const run = await runOf(swarmId);
  expect(run).toMatchObject({ state: AllocationState.OPEN });
  const watched = new FollowedRun(client.coordination.watchRun({ runId: run?.allocationId ?? "" }));
  expect(await watched.workerReady).toMatchObject({ allocationId: ready.allocationId, token: ready.token });
  const joined = runRoutine(client, request);
  await settle(worker, ready, await reserve(worker, ready, 50n), 40n);
  await worker.send({ case: "complete", value: { allocationId: ready.allocationId } });
  for (const { ended } of [watched, joined]) {
    expect((await ended).event).toMatchObject({ case: "finished", value: { outcome: SUCCEEDED } });
  }
  expect((await swarmOf(swarmId)).credits).toMatchObject({ limit: 1_000n, spent: 120n, available: 880n, granted: 0n });
  // Once more, when nothing of it is followed any more: the books still say how it ended.
  await daemons.coordination.end("SIGKILL");
  await again("coordination");
  const late = new FollowedRun(client.coordination.watchRun({ runId: run?.allocationId ?? "" }));
  expect((await late.ended).event).toMatchObject({
    case: "finished",
    value: { outcome: SUCCEEDED, run: { credits: { spent: 120n } } },
  });
  worker.close();
}, 60_000);

test("a silent run is in doubt, is written off by a person, and its true account corrects that", async () => {
  const { allocationId: swarmId } = await createSwarm(client, 1_000n);
  const followed = runRoutine(client, { requestId: randomUUID(), swarmId, routine: workerRoutine(300n) });
  const ready = await followed.workerReady;
  const worker = await attached(ready);
  await settle(worker, ready, await reserve(worker, ready, 100n), 60n);
  await expect.poll(async () => (await runOf(swarmId))?.usage?.credits, AT_LEAST).toBe(60n);
  await daemons.process.end("SIGKILL");
  await daemons.execution.end("SIGKILL");
  const refused = client.coordination.writeOff({
    requestId: randomUUID(),
    allocationId: (await runOf(swarmId))?.path ?? "",
    reason: "too early",
  });
  await expect(refused).rejects.toThrow(/lease/);
  await expect.poll(async () => (await runOf(swarmId))?.inDoubt, AT_LEAST).toBe(true);
  expect((await swarmOf(swarmId)).credits).toMatchObject({ granted: 60n, inDoubt: 240n, available: 700n, spent: 0n });
  const request = { requestId: randomUUID(), allocationId: (await runOf(swarmId))?.path ?? "", reason: "host is gone" };
  for (const time of ["first", "again"]) {
    const { writtenOff, allocation } = await client.coordination.writeOff(request);
    expect([time, writtenOff?.credits, allocation?.state]).toEqual([time, 240n, AllocationState.CLOSED]);
  }
  expect((await swarmOf(swarmId)).credits).toMatchObject({ granted: 0n, inDoubt: 0n, available: 700n, spent: 300n });
  expect(await runOf(swarmId)).toMatchObject({ writtenOffCredits: 240n });
  await again("process");
  await again("execution");
  await expect.poll(async () => (await swarmOf(swarmId)).credits?.spent, AT_LEAST).toBe(60n);
  expect((await swarmOf(swarmId)).credits).toMatchObject({ available: 940n, inDoubt: 0n, granted: 0n, debt: 0n });
  expect(await runOf(swarmId)).toMatchObject({ writtenOffCredits: 0n });
  worker.close();
}, 60_000);

test("a silent step is written off at its process daemon; the run ends, and the account corrects it at every level", async () => {
  const { allocationId: swarmId } = await createSwarm(client, 1_000n);
  const followed = runRoutine(client, { requestId: randomUUID(), swarmId, routine: workerRoutine(300n) });
  const ready = await followed.workerReady;
  const worker = await attached(ready);
  await settle(worker, ready, await reserve(worker, ready, 100n), 60n);
  await daemons.execution.end("SIGKILL");
  const stepOf = async () => (await runOf(swarmId))?.children[0];
  await expect.poll(async () => (await stepOf())?.inDoubt, AT_LEAST).toBe(true);
  const request = { requestId: randomUUID(), allocationId: ready.allocationId, reason: "host is gone" };
  const { writtenOff } = await client.coordination.writeOff(request);
  const reported = (await stepOf())?.usage?.credits ?? 0n;
  expect(reported).toBe(300n);
  expect(writtenOff?.credits).toBeGreaterThanOrEqual(240n);
  expect((await followed.ended).event).toMatchObject({ case: "finished" });
  await expect.poll(async () => (await swarmOf(swarmId)).credits?.spent, AT_LEAST).toBe(300n);
  await again("execution");
  await expect.poll(async () => (await swarmOf(swarmId)).credits?.spent, AT_LEAST).toBe(60n);
  expect((await swarmOf(swarmId)).credits).toMatchObject({ available: 940n, granted: 0n, inDoubt: 0n });
  worker.close();
}, 60_000);

test("what nobody knows cannot be written off, and a reason is needed", async () => {
  const unknown = { requestId: randomUUID(), allocationId: "nobody", reason: "gone" };
  await expect(client.coordination.writeOff(unknown)).rejects.toThrow(/nobody/);
  await expect(client.coordination.writeOff({ ...unknown, reason: "" })).rejects.toThrow(/reason/);
  await expect(client.coordination.stopRun({ run: "nobody" })).rejects.toThrow(/no run nobody/);
}, 30_000);
