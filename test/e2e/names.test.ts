/** Names of tools and resources through the three daemons: who holds one, who waits for it, and what is refused. */
import { randomUUID } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import type { AllocationView } from "../../shared/gen/bursar/v1/allocation_pb.js";
import type { RunEvent, WorkerReady } from "../../shared/gen/bursar/v1/run_pb.js";
import { WatchService } from "../../shared/gen/bursar/v1/watch_service_pb.js";
import { DEMO_ACCOUNT, runRoutine, TestWorker, workerRoutine } from "./client.ts";
import { MeshForTests } from "./mesh-for-tests.ts";

const QUEUE_AND_WAIT = 5;
const TOOL = 2;

const here = new MeshForTests();
let swarm: AllocationView;

beforeAll(async () => {
  const policy = { strategy: QUEUE_AND_WAIT };
  swarm = await here.swarm({ account: DEMO_ACCOUNT, name: "names", credits: 1_000n, policy });
});

type Names = { readonly exclusive?: string[]; readonly shared?: string[] };

function start(name: string, access: Names, waitMs = 0, steps: readonly Names[] = [{}]) {
  const {
    steps: [step],
    ...routine
  } = workerRoutine(100n, name);
  const named = steps.map((own, at) => ({ ...step, name: `s${at}`, limits: { maxCredits: 20n }, access: own }));
  const request = { requestId: randomUUID(), swarmId: swarm.allocationId, waitMs, access };
  const run = runRoutine(here.client, { ...request, routine: { ...routine, steps: named } });
  run.ended.catch(() => undefined);
  return run;
}

async function complete(ready: WorkerReady): Promise<void> {
  const worker = new TestWorker(ready.address);
  await worker.attach(ready);
  await worker.send({ case: "complete", value: { allocationId: ready.allocationId } });
  worker.close();
}

async function failure(run: { readonly ended: Promise<unknown> }): Promise<string> {
  const error = await run.ended.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  return error instanceof Error ? error.message : "";
}

async function namesIn(top: string): Promise<unknown> {
  const { swarm: shown } = await here.client.coordination.getSwarm({ swarm: top, depth: 0 });
  return (shown?.children ?? [])
    .filter(({ state }) => state === 1)
    .map(({ name, access }) => [name, access?.exclusive, access?.shared]);
}

/** Open allocations that have the name, over all daemons. */
async function holdersOf(name: string): Promise<string[]> {
  const below = (node: AllocationView): string[] => [
    ...(node.state === 1 && node.access?.exclusive.includes(name) ? [node.path] : []),
    ...node.children.flatMap(below),
  ];
  const { swarm: shown } = await here.client.coordination.getSwarm({ swarm: swarm.path, depth: 0 });
  // A step stands in the journals of process and of execution.
  return shown ? [...new Set(below(shown))] : [];
}

const kindsOf = (events: readonly RunEvent[]) => events.map(({ event }) => event.case);

test("a run that holds a name alone; others wait for it, or are refused with who holds it", async () => {
  const first = start("first", { exclusive: ["browser"], shared: ["db"] });
  const ready = await first.workerReady;
  expect(await namesIn(swarm.path)).toEqual([["first", ["browser"], ["db"]]]);

  const refused = await failure(start("refused", { shared: ["browser"] }));
  expect(refused).toBe(
    `EXCLUSIVE_ACCESS_REQUIRED: browser under global is held EXCLUSIVE by ${swarm.path}/first, and cannot be had SHARED beside that; it does not wait under QUEUE_AND_WAIT (its own); try again in 1000 ms`,
  );
  const second = start("second", { exclusive: ["browser"] }, 60_000);
  const other = start("other", { shared: ["db"] });
  await other.workerReady;
  expect(kindsOf(second.events)).toEqual(["queued"]);
  const { daemons } = await here.client.connection.client(WatchService).why({ subject: `${swarm.path}/second` });
  expect(daemons.flatMap(({ decisions }) => decisions).at(-1)?.reason).toContain(
    `held EXCLUSIVE by ${swarm.path}/first`,
  );

  await complete(ready);
  await complete(await second.workerReady);
  await complete(await other.workerReady);
  await Promise.all([first.ended, second.ended, other.ended]);
});

test("the names of a run go down with it: its steps stand below that hold", async () => {
  const run = start("down", { exclusive: ["lab"], shared: ["db"] }, 0, [{ exclusive: ["lab"] }, { exclusive: ["db"] }]);
  const ready = await run.workerReady;
  const worker = new TestWorker(ready.address);
  await worker.attach(ready);
  const { allocationId } = ready;
  const call = { requestId: "call", allocationId, kind: TOOL, name: "lab", wanted: { credits: 1n } };
  const held = await worker.send({ case: "reserve", value: call });
  const holdId = held.case === "held" ? held.value.holdId : "";
  await worker.send({ case: "release", value: { allocationId, holdId } });
  await worker.send({ case: "complete", value: { allocationId } });
  worker.close();
  const { event } = await run.ended;
  const outcome = event.case === "finished" ? event.value.error?.message : "";
  expect(outcome).toBe(
    `access.exclusive[0]: ${swarm.path}/down holds db SHARED, and so nobody below it has it EXCLUSIVE`,
  );
});

test("steps side by side that want one name have it one after the other", async () => {
  const {
    steps: [step],
    ...routine
  } = workerRoutine(100n, "both");
  const branch = (name: string) => ({
    name,
    limits: { maxCredits: 20n },
    steps: [{ ...step, name: "write", limits: { maxCredits: 20n }, access: { exclusive: ["report"] } }],
  });
  const branches = [branch("left"), branch("right")];
  const both = { name: "both", work: { case: "parallel", value: { branches } } } as const;
  const request = { requestId: randomUUID(), swarmId: swarm.allocationId, routine: { ...routine, steps: [both] } };
  const done: string[] = [];
  for await (const { events } of here.client.coordination.runRoutine(request)) {
    for (const { event } of events) {
      if (event.case !== "workerReady") continue;
      const { path } = event.value;
      expect(await holdersOf("report")).toEqual([path]);
      done.push(path.slice(swarm.path.length));
      await complete(event.value);
    }
    const last = events.at(-1)?.event;
    if (last?.case === "finished") expect(last.value.outcome).toBe(1);
  }
  expect(done.sort()).toEqual(["/both/both/left/write", "/both/both/right/write"]);
});

test("bad names are refused with their field, and nothing happens", async () => {
  expect(await failure(start("bad", { exclusive: ["x"], shared: ["x"] }))).toContain("access.shared[0]");
  expect(await namesIn(swarm.path)).toEqual([]);
});
