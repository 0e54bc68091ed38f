/** Runs and steps go on after kill -9 of the daemons that do them: nothing is done twice, nothing is spent unseen. */
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connect, fromStatusMessage, iterate } from "#rpc";
import { systemClock } from "#tier";
import { ExecutionService } from "../../shared/gen/bursar/v1/execution_service_pb.js";
import type { RunEvent, StepFinished, WorkerReady } from "../../shared/gen/bursar/v1/run_pb.js";
import type { WorkTelling } from "../../shared/gen/bursar/v1/work_pb.js";
import { clientOf, createSwarm, type FollowedRun, runRoutine, type TestClient, TestWorker } from "./client.ts";
import { type Daemon, killAll, startDaemon, type TierName, temporaryFolder } from "./mesh.ts";

const SUCCEEDED = 1;
const FAILED = 2;
const STOPPED = 3;
const RETRY = 2;
const AT_LEAST = { timeout: 60_000, interval: 50 };

let folder: string;
let remove: () => void;
let daemons: { [T in TierName]: Daemon };
let client: TestClient;
let leaseTtlMs: number;

function start(tier: TierName, listen?: string): Promise<Daemon> {
  const parents = {
    coordination: undefined,
    process: daemons.coordination?.address,
    execution: daemons.process?.address,
  };
  const options = {
    coordination: ["--accounts", "examples/accounts.yaml", "--lease-ttl-ms", String(leaseTtlMs)],
    process: ["--lease-ttl-ms", String(leaseTtlMs)],
    execution: ["--prices", "examples/prices.yaml"],
  };
  const checked = [...options[tier], "--check-invariants"];
  return startDaemon({ tier, folder, ...(listen ? { listen } : {}), parent: parents[tier], arguments: checked });
}

async function startAll(): Promise<void> {
  for (const tier of ["coordination", "process", "execution"] as const) daemons[tier] = await start(tier);
  client = clientOf(daemons.coordination.address);
}

const kill = (...tiers: TierName[]) => Promise.all(tiers.map((tier) => daemons[tier].end("SIGKILL")));

/** Starts it on its journal and at its address. */
async function again(tier: TierName): Promise<void> {
  daemons[tier] = await start(tier, daemons[tier].address);
}

beforeEach(() => {
  ({ folder, remove } = temporaryFolder());
  daemons = {} as typeof daemons;
  leaseTtlMs = 15_000;
});

afterEach(() => {
  client.connection.close();
  killAll();
  remove();
});

function workerStep(name: string, maxCredits = 200n) {
  return { name, limits: { maxCredits }, work: { case: "worker", value: { kind: "t", attachWithinMs: 30_000 } } };
}

/** Says its pid and the time in the file MARK, one line each time it is done, and then does what `work` says. */
function codeStep(name: string, work: string, policies: object = {}) {
  const mark = "require('fs').appendFileSync(process.env.MARK, process.pid + '\\n');";
  const env = { MARK: join(folder, name) };
  const code = { command: ["node", "-e", `${mark} ${work}`], env };
  return { name, limits: { maxCredits: 500n }, work: { case: "code", value: code }, ...policies };
}

const FOR_EVER = "setInterval(() => undefined, 1000)";
const ONCE_FOR_EVER = `require('fs').readFileSync(process.env.MARK, 'utf8').split('\\n').length > 2 || ${FOR_EVER}`;

async function run(steps: object[]): Promise<{ readonly swarmId: string; readonly followed: FollowedRun }> {
  const { allocationId: swarmId } = await createSwarm(client, 2_000n);
  const routine = { name: "work", limits: { maxCredits: 1_000n }, steps } as never;
  return { swarmId, followed: runRoutine(client, { requestId: randomUUID(), swarmId, routine }) };
}

function told<C extends NonNullable<RunEvent["event"]["case"]>>(followed: FollowedRun, which: C, name: string) {
  return followed.events.flatMap(({ event }) => {
    if (event.case !== which) return [];
    const { path = "" } = event.value as { readonly path?: string };
    return path.endsWith(`/${name}`) ? [event.value] : [];
  });
}

/** The call for the worker of a step: the first, or that of a later life of a daemon. */
async function ready(followed: FollowedRun, name: string, which = 1): Promise<WorkerReady> {
  await expect.poll(() => told(followed, "workerReady", name).length, AT_LEAST).toBeGreaterThanOrEqual(which);
  return told(followed, "workerReady", name)[which - 1] as WorkerReady;
}

const ends = (followed: FollowedRun, name: string) => told(followed, "stepFinished", name) as StepFinished[];
const lines = (name: string) => {
  const file = join(folder, name);
  return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
};

async function attached(at: WorkerReady): Promise<TestWorker> {
  const worker = new TestWorker(at.address);
  expect(await worker.attach(at)).toMatchObject({ case: "done" });
  return worker;
}

/** Reserves as often as it takes: nothing is given before the daemon is welcomed again. Answers the hold's id. */
async function reserve(worker: TestWorker, { allocationId }: WorkerReady, credits: bigint): Promise<string> {
  const requestId = randomUUID();
  let holdId = "";
  await expect
    .poll(async () => {
      const value = { requestId, allocationId, kind: 1, name: "m", wanted: { credits } };
      const answer = await worker.send({ case: "reserve", value });
      holdId = answer.case === "held" ? answer.value.holdId : "";
      return answer.case;
    }, AT_LEAST)
    .toBe("held");
  return holdId;
}

async function settle(worker: TestWorker, { allocationId }: WorkerReady, holdId: string, credits: bigint) {
  const answer = await worker.send({ case: "settle", value: { allocationId, holdId, credits, final: true } });
  expect(answer.case).toBe("settled");
}

const spend = async (worker: TestWorker, at: WorkerReady, credits: bigint) =>
  settle(worker, at, await reserve(worker, at, credits), credits);

const complete = (worker: TestWorker, { allocationId }: WorkerReady) =>
  worker.send({ case: "complete", value: { allocationId } });

/** What the swarm's books say once nothing of it is open any more. */
async function finalBooks(swarmId: string) {
  const books = async () => (await client.coordination.getSwarm({ swarm: swarmId })).swarm?.credits;
  await expect.poll(async () => (await books())?.granted, AT_LEAST).toBe(0n);
  return books();
}

const isAlive = (pid: string | undefined) => existsSync(`/proc/${pid}`);

describe("a worker step", { timeout: 90_000 }, () => {
  it.each([[["execution"]], [["execution", "process"]]] as [TierName[]][])(
    "goes on with its token and holds after kill -9 of %s",
    async (tiers) => {
      await startAll();
      const { swarmId, followed } = await run([workerStep("agent")]);
      const first = await ready(followed, "agent");
      const before = await attached(first);
      await spend(before, first, 60n);
      const inFlight = await reserve(before, first, 50n);
      await kill(...tiers);
      for (const tier of [...tiers].reverse()) await again(tier);
      const second = await ready(followed, "agent", 2);
      expect(second).toMatchObject({ allocationId: first.allocationId, token: first.token });
      const after = await attached(second);
      await settle(after, second, inFlight, 45n);
      await spend(after, second, 20n);
      await complete(after, second);
      expect((await followed.ended).event).toMatchObject({ case: "finished", value: { outcome: SUCCEEDED } });
      expect(ends(followed, "agent")).toMatchObject([{ outcome: SUCCEEDED, interrupted: false }]);
      expect(await finalBooks(swarmId)).toMatchObject({
        limit: 2_000n,
        spent: 125n,
        unconfirmed: 0n,
        available: 1_875n,
      });
      before.close();
      after.close();
    },
  );
});

describe("a run", { timeout: 90_000 }, () => {
  it("goes on after kill -9 of process where it was: what had ended is not done again, what ran was never stopped", async () => {
    await startAll();
    const { swarmId, followed } = await run([workerStep("one"), workerStep("two"), workerStep("three")]);
    const one = await ready(followed, "one");
    const first = await attached(one);
    await spend(first, one, 11n);
    await complete(first, one);
    const two = await ready(followed, "two");
    const second = await attached(two);
    await spend(second, two, 20n);
    await kill("process");
    await spend(second, two, 2n);
    // It ends while nobody is there to hear it.
    await complete(second, two);
    await again("process");
    const three = await ready(followed, "three");
    const third = await attached(three);
    await spend(third, three, 3n);
    await complete(third, three);
    expect((await followed.ended).event).toMatchObject({ case: "finished", value: { outcome: SUCCEEDED } });
    expect(told(followed, "workerReady", "one")).toHaveLength(1);
    for (const name of ["one", "two", "three"]) expect(ends(followed, name)).toMatchObject([{ outcome: SUCCEEDED }]);
    expect(followed.events.filter(({ event }) => event.case === "started")).toHaveLength(1);
    expect(await finalBooks(swarmId)).toMatchObject({ spent: 36n, unconfirmed: 0n, available: 1_964n });
    for (const worker of [first, second, third]) worker.close();
  });
});

describe("a code step", { timeout: 90_000 }, () => {
  it("dies with its daemon and is done again where it says so, with what was spent still spent", async () => {
    await startAll();
    const { swarmId, followed } = await run([codeStep("again", ONCE_FOR_EVER, { onInterruption: RETRY })]);
    await expect.poll(() => lines("again").length, AT_LEAST).toBe(1);
    await kill("execution");
    await expect.poll(() => isAlive(lines("again")[0]), AT_LEAST).toBe(false);
    await again("execution");
    expect((await followed.ended).event).toMatchObject({ case: "finished", value: { outcome: SUCCEEDED } });
    expect(lines("again")).toHaveLength(2);
    const [lost, done] = ends(followed, "again");
    expect(lost).toMatchObject({ interrupted: true, outcome: FAILED });
    expect(done).toMatchObject({ interrupted: false, outcome: SUCCEEDED });
    const used = (lost?.usage?.credits ?? 0n) + (done?.usage?.credits ?? 0n);
    expect(lost?.usage?.credits).toBeGreaterThan(0n);
    expect(await finalBooks(swarmId)).toMatchObject({ spent: used, available: 2_000n - used });
  });

  it("has failed where nothing else is said, and the run says why", async () => {
    await startAll();
    const { swarmId, followed } = await run([codeStep("once", FOR_EVER), workerStep("after")]);
    await expect.poll(() => lines("once").length, AT_LEAST).toBe(1);
    await kill("execution", "process");
    await again("process");
    await again("execution");
    expect((await followed.ended).event).toMatchObject({ case: "finished", value: { outcome: FAILED } });
    expect(lines("once")).toHaveLength(1);
    expect(ends(followed, "once")[0]?.error?.message).toContain("was interrupted");
    expect(ends(followed, "after")).toMatchObject([{ outcome: 4 }]);
    const spent = ends(followed, "once")[0]?.usage?.credits ?? 0n;
    expect(spent).toBeGreaterThan(0n);
    expect(await finalBooks(swarmId)).toMatchObject({ spent, available: 2_000n - spent });
  });

  it("is stopped when its lease ends and no process daemon is there", async () => {
    leaseTtlMs = 2_000;
    await startAll();
    const { followed } = await run([codeStep("orphan", FOR_EVER)]);
    await expect.poll(() => lines("orphan").length, AT_LEAST).toBe(1);
    expect(isAlive(lines("orphan")[0])).toBe(true);
    await kill("process");
    await expect.poll(() => isAlive(lines("orphan")[0]), AT_LEAST).toBe(false);
    await again("process");
    expect((await followed.ended).event).toMatchObject({ case: "finished", value: { outcome: STOPPED } });
    expect(ends(followed, "orphan")[0]?.error?.message).toContain("lease");
  });
});

describe("a step that has ended", { timeout: 90_000 }, () => {
  it("is not done again by whoever hands it over or joins it after a restart: its end is answered", async () => {
    await startAll();
    const { followed } = await run([codeStep("once", "")]);
    await followed.ended;
    const { allocationId = "" } = ends(followed, "once")[0] ?? {};
    await kill("execution");
    await again("execution");
    const connection = connect({ address: daemons.execution.address, clock: systemClock });
    const execution = connection.client(ExecutionService);
    const { instance } = daemons.execution;
    const path = "global/research/demo/test/work/once";
    const grant = {
      allocationId,
      path,
      depth: 6,
      name: "once",
      kind: 5,
      token: "t",
      lease: { epoch: 1n, ttlMs: 1_000 },
    };
    const step = codeStep("once", "") as never;
    const tellings = async (order: object, grantorIncarnation = "") => {
      const stream = execution.executeSteps();
      const answers = iterate(stream);
      stream.send({ hello: { instance, grantorIncarnation }, orders: [{ number: 1, ...order }] });
      stream.close();
      const told: WorkTelling[] = [];
      for await (const answer of answers) told.push(...answer.tellings);
      return told;
    };
    const joined = { grant: { allocationId } };
    for (const order of [joined, { grant, step, runId: "run" }]) {
      const value = { allocationId, outcome: SUCCEEDED, exitCode: 0 };
      const event = { event: { case: "stepFinished", value } };
      expect(await tellings(order)).toMatchObject([{ told: { case: "event", value: event }, last: true }]);
    }
    expect(lines("once")).toHaveLength(1);
    const unknown = await tellings({ grant: { allocationId: "none" } });
    expect(unknown).toMatchObject([{ told: { case: "refused", value: { code: 5 } }, last: true }]);
    const strange = { grant: { ...grant, allocationId: "new" }, step, runId: "run" };
    const [refused] = await tellings(strange, "another");
    const error = refused?.told.case === "refused" ? fromStatusMessage(refused.told.value) : undefined;
    expect(error).toMatchObject({ refusal: { reason: "NOT_WELCOMED" } });
    connection.close();
  });
});
