/** Preempt as SHRINK through the three daemons: what is free comes back at once, the rest as calls end, and never twice. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { createSwarm, runRoutine, TestWorker, workerRoutine } from "./client.ts";
import { MeshForTests } from "./mesh-for-tests.ts";

const here = new MeshForTests();

async function preempt(runId: string, preemptionId: string, credits: bigint, waitMs: number) {
  const answers = [];
  const request = { preemptionId, runId, amounts: { credits }, reason: "test", waitMs };
  for await (const { progress } of here.client.coordination.preemptRun(request)) if (progress) answers.push(progress);
  return answers;
}

test("a shrink takes what is free, waits for what is held, and is idempotent", async () => {
  const swarm = await createSwarm(here.client, 1_000n);
  const run = runRoutine(here.client, {
    requestId: randomUUID(),
    swarmId: swarm.allocationId,
    routine: workerRoutine(1_000n),
  });
  const ready = await run.workerReady;
  const { allocationId } = ready;
  const worker = new TestWorker(ready.address);
  await worker.attach(ready);
  const wanted = { credits: 600n };
  const held = await worker.send({
    case: "reserve",
    value: { requestId: "a", allocationId, kind: 1, name: "m", wanted },
  });
  const holdId = held.case === "held" ? held.value.holdId : "";

  const swarmNow = async () => (await here.client.coordination.getSwarm({ swarm: swarm.allocationId })).swarm;
  const runId = (await swarmNow())?.children[0]?.allocationId ?? "";
  const preemptionId = randomUUID();
  // 400 of the 1,000 are free; 500 are wanted.
  const first = await preempt(runId, preemptionId, 500n, 1_000);
  expect(first.at(-1)).toMatchObject({
    reclaimed: { credits: 400n },
    pending: { credits: 100n },
    met: false,
    done: true,
  });
  expect((await swarmNow())?.credits).toMatchObject({ limit: 1_000n, available: 400n, granted: 600n });

  // The call ends at 450: 150 come free, of which 100 go up before anything local.
  await worker.send({ case: "settle", value: { allocationId, holdId, credits: 450n, final: true } });
  const second = await preempt(runId, preemptionId, 500n, 5_000);
  expect(second.at(-1)).toMatchObject({
    reclaimed: { credits: 500n },
    pending: { credits: 0n },
    met: true,
    done: true,
  });
  const third = await preempt(runId, preemptionId, 500n, 1_000);
  expect(third.at(-1)).toMatchObject({ reclaimed: { credits: 500n }, met: true, done: true });
  expect((await swarmNow())?.credits).toMatchObject({ limit: 1_000n, available: 500n, granted: 500n });

  // What was given back can never be spent by the child: 50 are left of its 500.
  const tooMuch = await worker.send({
    case: "reserve",
    value: { requestId: "b", allocationId, kind: 1, name: "m", wanted: { credits: 51n } },
  });
  expect(tooMuch.case).toBe("error");
  await worker.send({ case: "complete", value: { allocationId } });
  await run.ended;
  worker.close();
  expect((await swarmNow())?.credits).toMatchObject({ limit: 1_000n, available: 550n, spent: 450n, granted: 0n });
});
