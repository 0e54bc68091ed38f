/** One RunRoutine is one connected trace through all three daemons. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clientOf, createSwarm, runRoutine, TestWorker, workerRoutine } from "./client.ts";
import { killAll, type Mesh, startMesh, temporaryFolder } from "./mesh.ts";
import { isOneTrace, type OtlpReceiver, startOtlpReceiver } from "./otlp-receiver.ts";

const { folder, remove } = temporaryFolder();
let receiver: OtlpReceiver;
let mesh: Mesh;

beforeAll(async () => {
  receiver = await startOtlpReceiver();
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, OTEL_BSP_SCHEDULE_DELAY: "50" };
  mesh = await startMesh({ folder, environment });
});

afterAll(async () => {
  killAll();
  await receiver.close();
  remove();
});

test("a run is one trace from coordination over process to execution", async () => {
  const client = clientOf(mesh.coordination.address);
  const swarm = await createSwarm(client, 1_000n);
  const traceId = randomUUID().replaceAll("-", "");
  const trace = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
  const request = { requestId: randomUUID(), swarmId: swarm.allocationId, routine: workerRoutine(500n) };
  const run = runRoutine(client, request, trace);
  const ready = await run.workerReady;
  const worker = new TestWorker(ready.address);
  await worker.attach(ready);
  const { allocationId } = ready;
  const reserve = { requestId: "1", allocationId, kind: 1, name: "gpt", wanted: { credits: 100n } };
  const held = await worker.send({ case: "reserve", value: reserve });
  const holdId = held.case === "held" ? held.value.holdId : "";
  await worker.send({ case: "settle", value: { allocationId, holdId, credits: 70n, final: true } });
  await worker.send({ case: "complete", value: { allocationId } });
  await run.ended;
  worker.close();
  client.connection.close();

  // Spans come in as each daemon exports them; the test's time-out says so when they never make one connected trace.
  const names = ["bursar.grant", "bursar.split", "bursar.reserve", "bursar.settle", "bursar.report"];
  const ofTrace = () => receiver.spans.filter((span) => span.traceId === traceId);
  await receiver.until(
    () => isOneTrace(ofTrace()) && names.every((name) => ofTrace().some((span) => span.name === name)),
  );
  expect(new Set(ofTrace().map(({ service }) => service))).toEqual(
    new Set(["bursar-coordination", "bursar-process", "bursar-execution"]),
  );
});
