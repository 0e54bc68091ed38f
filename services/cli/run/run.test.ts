import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { executionError, FaultError } from "#errors";
import { AllocationKind, ExecutionPriority } from "#gen/bursar/v1/allocation_pb.js";
import type { RunRoutineRequest } from "#gen/bursar/v1/coordination_service_pb.js";
import { RunEventSchema, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import { EXIT } from "../exit-code.ts";
import { runProgram } from "../program.ts";
import { type FakeMesh, startFakeMesh } from "../testing/fake-mesh.ts";
import { bursar, temporaryFolder, testSession } from "../testing/test-session.ts";
import { view } from "../testing/views.ts";

function swarmFile(): string {
  const file = join(temporaryFolder(), "swarm.yaml");
  const routine = (name: string) => `
  - name: ${name}
    limits: { credits: 40 }
    steps:
      - name: work
        limits: { credits: 10 }
        code: { command: ["true"] }`;
  writeFileSync(
    file,
    `name: s\naccount: global\nlimits: { credits: 100 }\nroutines:${routine("first")}${routine("second")}\n`,
  );
  return file;
}

/** An answer that tells one event. */
const told = (sequence: bigint, wallTimeMs: bigint, event: MessageInitShape<typeof RunEventSchema>["event"]) => ({
  events: [create(RunEventSchema, { sequence, wallTimeMs, ...(event ? { event } : {}) })],
});

/** A run that ends at once, as told. */
function runs(outcome: WorkOutcome) {
  return async function* ({ routine }: RunRoutineRequest) {
    const run = view({ path: `global/s/${routine?.name}`, kind: AllocationKind.RUN });
    const path = `${run.path}/work`;
    yield told(1n, 1_000n, { case: "started", value: { run } });
    yield told(2n, 1_000n, { case: "stepStarted", value: { path } });
    yield told(3n, 1_500n, { case: "stepFinished", value: { path, outcome } });
    yield told(4n, 1_500n, { case: "finished", value: { outcome, run } });
  };
}

const fakeMesh = (outcome: WorkOutcome): Promise<FakeMesh> =>
  startFakeMesh({ coordination: { runRoutine: runs(outcome) } });

test("the routines run one after the other, the report is shown and kept, and the swarm is closed", async () => {
  const mesh = await fakeMesh(WorkOutcome.SUCCEEDED);
  const file = join(temporaryFolder(), "report.json");
  const { exitCode, out, err } = await bursar("run", swarmFile(), "--address", mesh.address, "--report", file);
  expect(exitCode).toBe(EXIT.ok);
  expect(err).toMatch(/▶ first started[\s\S]*✔ work \(500 ms\)[\s\S]*✔ first succeeded[\s\S]*✔ second succeeded/);
  expect(out).toContain("✔ global/replay succeeded: 0 credits used of 100");
  expect(out).toContain("✔ balanced");
  expect(mesh.swarm.stopped).toBe("done");
  const report = JSON.parse(readFileSync(file, "utf8"));
  expect(report).toMatchObject({
    outcome: "succeeded",
    balanced: true,
    books: { limit: 100, available: 100, spent: 0 },
  });
});

test("--priority is that of the swarm's runs", async () => {
  const asked: ExecutionPriority[] = [];
  const runRoutine = (request: RunRoutineRequest) => {
    asked.push(request.priority);
    return runs(WorkOutcome.SUCCEEDED)(request);
  };
  const { address } = await startFakeMesh({ coordination: { runRoutine } });
  await bursar("run", swarmFile(), "--address", address, "--priority", "high");
  await bursar("run", swarmFile(), "--address", address);
  const { HIGH, NORMAL } = ExecutionPriority;
  expect(asked).toEqual([HIGH, HIGH, NORMAL, NORMAL]);
});

test("with --json stdout is the report alone, and stderr is events", async () => {
  const mesh = await fakeMesh(WorkOutcome.SUCCEEDED);
  const { exitCode, out, err } = await bursar("run", swarmFile(), "--json", "--keep", "--address", mesh.address);
  expect(exitCode).toBe(EXIT.ok);
  expect(JSON.parse(out)).toMatchObject({ outcome: "succeeded", swarm: { state: "open" } });
  expect(err.split("\n").map((line) => Object.keys(JSON.parse(line))[2])).toEqual([
    ...["started", "step_started", "step_finished", "finished"],
    ...["started", "step_started", "step_finished", "finished"],
  ]);
  expect(mesh.swarm.stopped).toBeUndefined();
});

test.each([
  [WorkOutcome.FAILED, "failed"],
  [WorkOutcome.STOPPED, "stopped"],
])("a run that ends as %s ends the swarm, with its own exit code", async (outcome, name) => {
  const mesh = await fakeMesh(outcome);
  const { exitCode, out, err } = await bursar("run", swarmFile(), "--address", mesh.address);
  expect(exitCode).toBe(EXIT.failed);
  expect(out).toContain(`global/replay ${name}`);
  expect(err).toContain("not started: second");
  expect(mesh.swarm.stopped).toBe("done");
});

test("a run that is refused: the report, then why, and the swarm is closed", async () => {
  const message = "global/s has 5 credits free of the 40 wanted";
  const refusal = new FaultError(executionError({ id: "", type: "RESOURCE_ALLOCATION_FAILED", reach: "one", message }));
  const mesh = await startFakeMesh({
    coordination: {
      runRoutine: () => {
        throw refusal;
      },
    },
  });
  const { exitCode, out, err } = await bursar("run", swarmFile(), "--address", mesh.address);
  expect(exitCode).toBe(EXIT.refused);
  expect(out).toContain("✖ global/replay failed");
  expect(err).toContain(`bursar: RESOURCE_ALLOCATION_FAILED: ${message}`);
  expect(mesh.swarm.stopped).toBe("done");
});

test("Ctrl-C stops the swarm and waits for its run to end", async () => {
  const running = Promise.withResolvers<string>();
  const mesh: FakeMesh = await startFakeMesh({
    coordination: {
      runRoutine: async function* (request) {
        const [started, stepStarted] = await Array.fromAsync(runs(WorkOutcome.STOPPED)(request));
        yield started as never;
        yield stepStarted as never;
        await running.promise;
        const outcome = WorkOutcome.STOPPED;
        yield told(4n, 2_000n, { case: "finished", value: { outcome } });
      },
      stopSwarm: ({ reason }) => {
        running.resolve(reason);
        return {};
      },
    },
  });
  const session = testSession();
  const ended = runProgram(["run", swarmFile(), "--address", mesh.address], session);
  await session.terminal.says("▶ work");
  session.interrupt();
  expect(await ended).toBe(EXIT.interrupted);
  expect(await running.promise).toBe("stopped by its caller");
  expect(session.terminal.out()).toContain("■ global/replay stopped");
});
