/** Credits kept for some through the three daemons: a bonus that is not laundered, and a final step that is paid though all else is used up. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { AllocationView } from "../../shared/gen/bursar/v1/allocation_pb.js";
import type { WorkerReady } from "../../shared/gen/bursar/v1/run_pb.js";
import { DEMO_ACCOUNT, runRoutine, TestWorker, workerRoutine } from "./client.ts";
import { MeshForTests } from "./mesh-for-tests.ts";

const HIGH = 3;

const here = new MeshForTests();

async function makeSwarm(name: string, limits: object): Promise<AllocationView> {
  const request = { requestId: randomUUID(), account: DEMO_ACCOUNT, name, limits };
  const { swarm } = await here.client.coordination.createSwarm(request);
  if (!swarm) throw new Error("CreateSwarm answered no swarm");
  return swarm;
}

async function complete(ready: WorkerReady): Promise<void> {
  const worker = new TestWorker(ready.address);
  await worker.attach(ready);
  await worker.send({ case: "complete", value: { allocationId: ready.allocationId } });
  worker.close();
}

async function shown(swarm: AllocationView): Promise<AllocationView> {
  const answer = await here.client.coordination.getSwarm({ swarm: swarm.path, depth: 1 });
  if (!answer.swarm) throw new Error("GetSwarm answered no swarm");
  return answer.swarm;
}

test("no reserve is laundered: HIGH work draws the bonus and gives it back, and NORMAL work cannot have it", async () => {
  const swarm = await makeSwarm("bonus", { maxCredits: 1_000n, priorityBonus: 300n, emergencyReserve: 200n });
  const normal = () =>
    runRoutine(here.client, {
      requestId: randomUUID(),
      swarmId: swarm.allocationId,
      routine: workerRoutine(600n, "normal"),
    }).ended.then(
      () => "ended",
      (error: unknown) => (error instanceof Error ? error.message : ""),
    );
  const words = "has 500 credits free of the 600 wanted";
  expect(await normal()).toContain(words);
  const routine = workerRoutine(700n, "urgent");
  const urgent = runRoutine(here.client, {
    requestId: randomUUID(),
    swarmId: swarm.allocationId,
    routine,
    priority: HIGH,
  });
  const ready = await urgent.workerReady;
  const during = await shown(swarm);
  expect(during.tranches?.left).toMatchObject({ priorityBonus: 100n, emergencyReserve: 200n });
  expect(during.children[0]?.tranches?.makeUp).toMatchObject({ priorityBonus: 200n, emergencyReserve: 0n });
  await complete(ready);
  await urgent.ended;
  expect((await shown(swarm)).tranches?.left).toMatchObject({ priorityBonus: 300n, emergencyReserve: 200n });
  expect(await normal()).toContain(words);
});

test("a final step is done on its reserve after a step that failed for lack of budget; those between are skipped", async () => {
  const swarm = await makeSwarm("reserve", { maxCredits: 1_000n });
  const {
    steps: [step],
  } = workerRoutine(0n);
  const steps = [
    { ...step, name: "dear", limits: { maxCredits: 60n } },
    { ...step, name: "next", limits: { maxCredits: 10n } },
    { ...step, name: "last", limits: { maxCredits: 40n }, wrapUp: true },
  ];
  const routine = { name: "wrapped", limits: { maxCredits: 100n, wrapUpReserve: 50n }, steps };
  const run = runRoutine(here.client, { requestId: randomUUID(), swarmId: swarm.allocationId, routine });
  const ready = await run.workerReady;
  expect(ready.path).toBe(`${swarm.path}/wrapped/last`);
  await complete(ready);
  const { event: end } = await run.ended;
  const finished = end.case === "finished" ? end.value : undefined;
  expect(finished).toMatchObject({
    outcome: 2,
    error: { message: expect.stringContaining("50 credits free of the 60") },
  });
  const ends = run.events.flatMap(({ event }) =>
    event.case === "stepFinished" ? [[event.value.path.split("/").at(-1), event.value.outcome]] : [],
  );
  expect(ends).toEqual([
    ["dear", 2],
    ["next", 4],
    ["last", 1],
  ]);
});
