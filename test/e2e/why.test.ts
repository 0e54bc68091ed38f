/** Every decision says why, and says it in the same words everywhere: to the caller, in the trace, to watchers, and to whoever asks. */
import { randomUUID } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { FaultError } from "#errors";
import type { AllocationView } from "../../shared/gen/bursar/v1/allocation_pb.js";
import { DEMO_ACCOUNT, type FollowedRun, runRoutine, TestWorker, workerRoutine } from "./client.ts";
import { lastReason, whyOf } from "./decisions.ts";
import { MeshForTests } from "./mesh-for-tests.ts";
import { type OtlpReceiver, startOtlpReceiver } from "./otlp-receiver.ts";

const FIRST_COME = 1;
const QUEUE_AND_WAIT = 5;

let receiver: OtlpReceiver;
afterAll(() => receiver.close());

const here = new MeshForTests({
  environment: async () => {
    receiver = await startOtlpReceiver();
    return { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, OTEL_BSP_SCHEDULE_DELAY: "50" };
  },
});

interface Tried {
  readonly shadow?: { readonly strategy: number };
}

function swarmOf(name: string, credits: bigint, strategy: number, tried: Tried = {}): Promise<AllocationView> {
  return here.swarm({ account: DEMO_ACCOUNT, name, credits, policy: { strategy, ...tried } });
}

interface Started {
  readonly run: FollowedRun;
  readonly requestId: string;
  readonly traceId: string;
}

function start(swarm: AllocationView, credits: bigint, name: string, waitMs = 0): Started {
  const requestId = randomUUID();
  const traceId = randomUUID().replaceAll("-", "");
  const request = { requestId, swarmId: swarm.allocationId, routine: workerRoutine(credits, name), waitMs };
  const run = runRoutine(here.client, request, { traceparent: `00-${traceId}-00f067aa0ba902b7-01` });
  run.ended.catch(() => undefined);
  return { run, requestId, traceId };
}

/** Waits for the span event of a decision in this trace and answers its words. */
async function tracedWords(traceId: string, decided: string, told = "bursar.reason"): Promise<unknown> {
  const words = () =>
    receiver.spans
      .filter((span) => span.traceId === traceId)
      .flatMap(({ events }) => events.filter(({ name }) => name === "bursar.decision"))
      .filter(({ attributes }) => attributes["bursar.decided"] === decided)
      .map(({ attributes }) => attributes[told]);
  await receiver.until(() => words().length > 0);
  return words().at(-1);
}

test("a denied run: the caller, the trace, the watcher and why say the same", async () => {
  const swarm = await swarmOf("denies", 1_000n, FIRST_COME);
  const holder = start(swarm, 800n, "holder");
  await holder.run.workerReady;
  const denied = start(swarm, 500n, "denied");
  const error = await denied.run.ended.then(
    () => undefined,
    (failure: unknown) => failure as Error,
  );
  const words = error?.message ?? "";
  expect(words).toBe(
    `INSUFFICIENT_CREDITS: ${swarm.path} has 200 credits free of the 500 wanted; held by ${swarm.path}/holder (800); ` +
      "FIRST_COME_FIRST_SERVED (its own) denies what does not fit now; try again in 1000 ms",
  );
  expect(await tracedWords(denied.traceId, "REFUSED")).toBe(words);
  const seen = await here.watched.first(({ requestId }) => requestId === denied.requestId);
  expect(seen).toMatchObject({ reason: words, kind: 4, path: `${swarm.path}/denied`, tier: "coordination" });
  expect(await lastReason(here.client, denied.requestId)).toBe(words);
  expect(await lastReason(here.client, "denies/denied")).toBe(words);
});

test("a policy that is tried: the caller, the trace, the watcher and why say what it would have decided", async () => {
  const swarm = await swarmOf("tries", 1_000n, FIRST_COME, { shadow: { strategy: QUEUE_AND_WAIT } });
  const holder = start(swarm, 800n, "holder");
  await holder.run.workerReady;
  const denied = start(swarm, 500n, "denied", 60_000);
  const error = await denied.run.ended.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  const words =
    `shadow QUEUE_AND_WAIT (its own): would have waited at place 1: INSUFFICIENT_CREDITS: ${swarm.path} has 200 credits free of the 500 wanted; ` +
    `held by ${swarm.path}/holder (800); nobody knows when something changes`;
  expect(error).toBeInstanceOf(FaultError);
  expect(error instanceof FaultError && error.error.shadow).toBe(words);
  const seen = await here.watched.first(({ requestId }) => requestId === denied.requestId);
  expect(seen.shadow).toMatchObject({ words, agrees: false });
  expect(await tracedWords(denied.traceId, "REFUSED", "bursar.shadow")).toBe(words);
  const [told] = await whyOf(here.client, denied.requestId);
  expect(told?.decisions.at(-1)?.shadow?.words).toBe(words);
  const [known] = await whyOf(here.client, swarm.path);
  expect(known?.standing.at(-1)).toBe(
    "shadow QUEUE_AND_WAIT (its own): of 2 requests decided here since this daemon started 1 would have been as they were, 1 otherwise: 1 refused that it would have queued",
  );
});

test("a run that waits and is served", async () => {
  const swarm = await swarmOf("queues", 1_000n, QUEUE_AND_WAIT);
  const first = start(swarm, 800n, "first");
  const ready = await first.run.workerReady;
  const second = start(swarm, 500n, "second", 60_000);
  const queued = await here.watched.first(({ requestId }) => requestId === second.requestId);
  expect(queued.reason).toContain("it waits at place 1 under QUEUE_AND_WAIT (its own)");
  expect(await tracedWords(second.traceId, "QUEUED")).toBe(queued.reason);
  const [told] = second.run.events;
  expect(told?.event.case === "queued" && told.event.value.reason).toBe(queued.reason);
  // The tree shows its place in the same words.
  const [shown] = (await here.look(swarm)).waiters;
  expect(shown).toMatchObject({ name: "second", requestId: second.requestId, conflict: { position: 1 } });
  expect(queued.reason).toContain(`; ${shown?.place}`);
  const tree = await here.bursar("tree", swarm.path);
  expect(tree.out).toMatch(
    /second +run +waits, 1 of 1 +500 +it waits at place 1 under QUEUE_AND_WAIT \(its own\); nobody knows/,
  );
  const [waiting] = await whyOf(here.client, second.requestId);
  expect(waiting?.standing[0]).toContain(shown?.reason);
  expect(waiting?.standing[0]).toContain(queued.reason.split(";")[0]);
  expect(waiting?.decisions.at(-1)?.reason).toBe(queued.reason);

  const worker = new TestWorker(ready.address);
  await worker.attach(ready);
  await worker.send({ case: "complete", value: { allocationId: ready.allocationId } });
  worker.close();
  await second.run.workerReady;
  const granted = await here.watched.first(({ requestId, kind }) => requestId === second.requestId && kind === 1);
  expect(granted.reason).toMatch(
    /^granted in full after waiting \d+ ms: 500 credits and 1 branch slot, out of .* under QUEUE_AND_WAIT/,
  );
  expect(await tracedWords(second.traceId, "GRANTED")).toBe(granted.reason);
  expect(await lastReason(here.client, second.requestId)).toBe(granted.reason);
});

test("a call that a step refuses, and what stands below another daemon", async () => {
  const swarm = await swarmOf("calls", 1_000n, FIRST_COME);
  const { run, traceId } = start(swarm, 300n, "caller");
  const ready = await run.workerReady;
  const worker = new TestWorker(ready.address);
  await worker.attach(ready);
  const { allocationId } = ready;
  const requestId = randomUUID();
  const value = { requestId, allocationId, kind: 1, name: "gpt", wanted: { credits: 301n } };
  const answer = await worker.send({ case: "reserve", value });
  worker.close();
  const words = answer.case === "error" ? answer.value.message : "";
  expect(words).toContain("has 300 credits free of the 301 wanted; it can never fit");
  expect(await tracedWords(traceId, "REFUSED")).toBe(words);
  expect(await here.watched.first((decision) => decision.requestId === requestId)).toMatchObject({
    reason: words,
    tier: "execution",
    asked: "301 credits for a call of model gpt",
  });
  // Coordination knows neither the request nor the step: it asks below, over process.
  expect(await lastReason(here.client, requestId)).toBe(words);
  const tiers = await whyOf(here.client, allocationId);
  expect(tiers.map(({ tier }) => tier)).toEqual(["coordination", "process", "execution"]);
  expect(tiers.map(({ standing }) => standing.length > 0)).toEqual([false, true, true]);
});

test("a subject that nobody knows is no error: the answer says who was asked", async () => {
  const daemons = await whyOf(here.client, "no-such-request");
  expect(daemons.map(({ tier, standing, failure }) => ({ tier, standing, failure }))).toEqual([
    { tier: "coordination", standing: [], failure: "" },
    { tier: "process", standing: [], failure: "" },
    { tier: "execution", standing: [], failure: "" },
  ]);
});
