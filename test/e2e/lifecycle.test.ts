/** Work through the real daemons: code that runs away, stops, pools of budget, lost streams, and daemons that are told to end. */
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WatchService } from "../../shared/gen/bursar/v1/watch_service_pb.js";
import {
  clientOf,
  createSwarm,
  FollowedRun,
  runRoutine,
  type TestClient,
  TestWorker,
  workerRoutine,
} from "./client.ts";
import { killAll, type Mesh, startMesh, temporaryFolder } from "./mesh.ts";

const SUCCEEDED = 1;
const FAILED = 2;
const STOPPED = 3;

let folder: string;
let remove: () => void;
let mesh: Mesh;
let client: TestClient;

beforeEach(async () => {
  ({ folder, remove } = temporaryFolder());
  mesh = await startMesh({ folder });
  client = clientOf(mesh.coordination.address);
});

afterEach(() => {
  client.connection.close();
  killAll();
  remove();
});

interface CodeOptions {
  readonly command: string[];
  readonly limits?: object;
  readonly onFailure?: number;
}

function codeStep(name: string, { command, limits = { maxCredits: 5_000n }, onFailure = 1 }: CodeOptions) {
  return {
    name,
    limits,
    onFailure,
    work: { case: "code", value: { command, env: { MARK: join(folder, name) } } },
  } as const;
}

/** A command that says its pid in the file MARK and then does what `then` says. */
const node = (then: string) => [
  "node",
  "-e",
  `require("fs").writeFileSync(process.env.MARK, String(process.pid)); ${then}`,
];
const FOR_EVER = node("setInterval(() => undefined, 1000)");

async function run(steps: object[], maxCredits = 10_000n) {
  const swarm = await createSwarm(client, 20_000n);
  const routine = { name: "work", limits: { maxCredits }, steps };
  return {
    swarm,
    run: runRoutine(client, { requestId: randomUUID(), swarmId: swarm.allocationId, routine: routine as never }),
  };
}

function finishedOf(followed: FollowedRun, name: string) {
  for (const { event } of followed.events) {
    if (event.case === "stepFinished" && event.value.path.endsWith(`/${name}`)) return event.value;
  }
  return undefined;
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

const pidOf = (name: string) => Number(readFileSync(join(folder, name), "utf8"));

async function swarmNow(id: string) {
  const { swarm } = await client.coordination.getSwarm({ swarm: id });
  if (!swarm) throw new Error("the swarm is gone");
  return swarm;
}

describe("code", () => {
  it("is stopped by its credits, its memory and its time, while what follows goes on", async () => {
    const hungry = node("const kept = []; setInterval(() => kept.push(Buffer.alloc(8 << 20, 1)), 5)");
    const { swarm, run: followed } = await run([
      codeStep("broke", { command: FOR_EVER, limits: { maxCredits: 80n }, onFailure: 2 }),
      codeStep("hungry", {
        command: hungry,
        limits: { maxCredits: 5_000n, maxMemoryBytes: 150n << 20n },
        onFailure: 2,
      }),
      codeStep("late", { command: FOR_EVER, limits: { maxCredits: 5_000n, maxDurationMs: 700n }, onFailure: 2 }),
      codeStep("fails", { command: ["node", "-e", "process.exit(3)"], onFailure: 2 }),
      codeStep("missing", { command: ["no-such-program"], onFailure: 2 }),
      codeStep("fine", { command: ["node", "-e", "console.log('done')"] }),
    ]);
    const end = await followed.ended;
    expect(end.event).toMatchObject({ case: "finished", value: { outcome: SUCCEEDED } });
    expect(finishedOf(followed, "broke")).toMatchObject({ outcome: STOPPED, error: { resource: "credits" } });
    expect(finishedOf(followed, "hungry")).toMatchObject({ outcome: STOPPED, error: { resource: "memory_bytes" } });
    expect(finishedOf(followed, "late")).toMatchObject({ outcome: STOPPED, error: { resource: "duration" } });
    expect(finishedOf(followed, "fails")).toMatchObject({ outcome: FAILED, exitCode: 3 });
    expect(finishedOf(followed, "missing")?.error?.message).toContain("no-such-program");
    const fine = finishedOf(followed, "fine");
    expect(Buffer.from(fine?.output?.stdout ?? []).toString()).toBe("done\n");
    for (const name of ["broke", "hungry", "late"]) expect(isAlive(pidOf(name))).toBe(false);
    const { credits } = await swarmNow(swarm.allocationId);
    expect(credits).toMatchObject({ limit: 20_000n, granted: 0n, reserved: 0n, debt: 0n });
    expect((credits?.available ?? 0n) + (credits?.spent ?? 0n)).toBe(20_000n);
  });

  it("skips the later steps when one fails and none of them says to continue", async () => {
    const { run: followed } = await run([
      codeStep("fails", { command: ["node", "-e", "process.exit(1)"] }),
      codeStep("after", { command: FOR_EVER }),
    ]);
    expect((await followed.ended).event).toMatchObject({ value: { outcome: FAILED } });
    expect(finishedOf(followed, "after")).toMatchObject({ outcome: 4, allocationId: "" });
    expect(existsSync(join(folder, "after"))).toBe(false);
  });
});

describe("StopSwarm", () => {
  it("ends running code and workers in every tier, and the budget comes back", async () => {
    const parallel = {
      name: "both",
      limits: {},
      work: {
        case: "parallel",
        value: {
          branches: [
            { name: "a", limits: {}, steps: [codeStep("loop", { command: FOR_EVER, limits: {} })] },
            {
              name: "b",
              limits: {},
              steps: [{ name: "agent", limits: {}, work: { case: "worker", value: { kind: "t" } } }],
            },
          ],
        },
      },
    };
    const { swarm, run: followed } = await run([parallel]);
    const ready = await followed.workerReady;
    const worker = new TestWorker(ready.address);
    await worker.attach(ready);
    const wanted = { credits: 100n };
    const { allocationId } = ready;
    const held = await worker.send({
      case: "reserve",
      value: { requestId: "1", allocationId, kind: 1, name: "m", wanted },
    });
    await worker.send({
      case: "settle",
      value: { allocationId, holdId: held.case === "held" ? held.value.holdId : "", credits: 60n, final: true },
    });
    await expect.poll(() => existsSync(join(folder, "loop")), { timeout: 10_000 }).toBe(true);
    const { swarm: stopped } = await client.coordination.stopSwarm({ swarm: swarm.path, reason: "enough" });
    expect((await followed.ended).event).toMatchObject({ value: { outcome: STOPPED } });
    expect(isAlive(pidOf("loop"))).toBe(false);
    expect(stopped).toMatchObject({ state: 3, reason: "enough" });
    expect(stopped?.credits?.spent).toBeGreaterThanOrEqual(60n);
    const { accounts } = await client.coordination.getAccounts({ depth: 3 });
    const demo = accounts[0]?.children[0]?.children[0];
    expect(demo?.credits).toMatchObject({ granted: 0n, spent: stopped?.credits?.spent });
    worker.close();
  });
});

describe("steps that state no credits", () => {
  it("share their run's credits to the last one, and strand none", async () => {
    const agent = { name: "agent", limits: {}, work: { case: "worker", value: { kind: "t" } } };
    const branches = ["a", "b", "c"].map((name) => ({ name, limits: {}, steps: [agent] }));
    const { swarm, run: followed } = await run(
      [{ name: "all", limits: {}, work: { case: "parallel", value: { branches } } }],
      1_000n,
    );
    await expect.poll(() => followed.events.filter(({ event }) => event.case === "workerReady").length).toBe(3);
    const places = followed.events.flatMap(({ event }) => (event.case === "workerReady" ? [event.value] : []));
    const worker = new TestWorker(places[0]?.address ?? "");
    for (const place of places) await worker.attach(place);
    let spent = 0n;
    let refusals = 0;
    const reserve = (index: number, credits: bigint) => {
      const allocationId = places[index % 3]?.allocationId ?? "";
      return worker.send({
        case: "reserve",
        value: { requestId: `${index}-${credits}`, allocationId, kind: 1, name: "m", wanted: { credits } },
      });
    };
    // Each call reserves 90 and costs 30; whatever a branch does not need must be there for the others.
    for (let index = 0; refusals < 3; index += 1) {
      const held = await reserve(index, 90n);
      if (held.case !== "held") {
        refusals += 1;
        continue;
      }
      const allocationId = places[index % 3]?.allocationId ?? "";
      await worker.send({
        case: "settle",
        value: { allocationId, holdId: held.value.holdId, credits: 30n, final: true },
      });
      spent += 30n;
    }
    // The last call that fits is the one after which fewer than 90 are left: 31 calls, 930 credits.
    expect(spent).toBe(930n);
    const rest = await reserve(1_000, 70n);
    expect(rest.case).toBe("held");
    for (const { allocationId } of places) await worker.send({ case: "complete", value: { allocationId } });
    if (rest.case === "held") {
      const allocationId = places[1_000 % 3]?.allocationId ?? "";
      await worker.send({ case: "release", value: { allocationId, holdId: rest.value.holdId } });
    }
    expect((await followed.ended).event).toMatchObject({ value: { outcome: SUCCEEDED } });
    expect((await swarmNow(swarm.allocationId)).credits).toMatchObject({ spent: 930n, granted: 0n, overrun: 0n });
    worker.close();
  });
});

describe("a client that lost its stream", () => {
  it("joins the same run by the same request, or by WatchRun, and sees it from its beginning", async () => {
    const swarm = await createSwarm(client, 1_000n);
    const request = { requestId: randomUUID(), swarmId: swarm.allocationId, routine: workerRoutine(500n) };
    const abort = new AbortController();
    const first = new FollowedRun(client.coordination.runRoutine(request, { signal: abort.signal }));
    const ready = await first.workerReady;
    abort.abort();
    await expect(first.ended).rejects.toThrow();
    const second = runRoutine(client, request);
    expect((await second.workerReady).allocationId).toBe(ready.allocationId);
    const runId = (await swarmNow(swarm.allocationId)).children[0]?.allocationId ?? "";
    const third = new FollowedRun(client.coordination.watchRun({ runId }));
    const worker = new TestWorker(ready.address);
    await worker.attach(ready);
    await worker.send({ case: "complete", value: { allocationId: ready.allocationId } });
    for (const followed of [second, third]) {
      expect((await followed.ended).event).toMatchObject({ value: { outcome: SUCCEEDED } });
      expect(followed.events[0]?.event.case).toBe("started");
    }
    expect((await swarmNow(swarm.allocationId)).children).toHaveLength(1);
    worker.close();
  });
});

describe("WatchUsage", () => {
  it("shows the whole tree with what each tier knows, then what changes", async () => {
    const swarm = await createSwarm(client, 1_000n);
    const followed = runRoutine(client, {
      requestId: randomUUID(),
      swarmId: swarm.allocationId,
      routine: workerRoutine(500n),
    });
    const ready = await followed.workerReady;
    const { allocationId } = ready;
    const worker = new TestWorker(ready.address);
    await worker.attach(ready);
    const abort = new AbortController();
    const request = { allocationId: swarm.allocationId, intervalMs: 50 };
    const watch = client.connection.client(WatchService).watchUsage(request, { signal: abort.signal });
    const seen: string[] = [];
    for await (const { snapshot, nodes } of watch) {
      if (snapshot) {
        expect(nodes[0]?.children[0]?.children[0]).toMatchObject({ name: "agent", credits: { limit: 500n } });
        const held = await worker.send({
          case: "reserve",
          value: { requestId: "1", allocationId, kind: 1, name: "m", wanted: { credits: 9n } },
        });
        await worker.send({
          case: "settle",
          value: { allocationId, holdId: held.case === "held" ? held.value.holdId : "", credits: 7n, final: true },
        });
        continue;
      }
      for (const node of nodes) if (node.usage?.credits === 7n) seen.push(node.name);
      if (new Set(seen).size === 3) break;
    }
    expect(new Set(seen)).toEqual(new Set(["test", "work", "agent"]));
    abort.abort();
    await worker.send({ case: "complete", value: { allocationId } });
    await followed.ended;
    worker.close();
  });
});

describe("SIGTERM", () => {
  it("ends every daemon with 0, running code with them, and the books are right after the next start", async () => {
    const { swarm, run: followed } = await run([codeStep("loop", { command: FOR_EVER })]);
    followed.ended.catch(() => undefined);
    await expect.poll(() => existsSync(join(folder, "loop")), { timeout: 10_000 }).toBe(true);
    expect(await mesh.end()).toEqual([0, 0, 0]);
    expect(isAlive(pidOf("loop"))).toBe(false);
    client.connection.close();
    mesh = await startMesh({ folder, again: mesh });
    client = clientOf(mesh.coordination.address);
    await expect.poll(async () => (await swarmNow(swarm.allocationId)).credits?.granted, { timeout: 20_000 }).toBe(0n);
    const { credits } = await swarmNow(swarm.allocationId);
    expect((credits?.available ?? 0n) + (credits?.spent ?? 0n)).toBe(20_000n);
    expect(credits?.spent).toBeGreaterThan(0n);
  });
});
