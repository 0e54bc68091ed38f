import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { AllocationKind } from "#gen/bursar/v1/allocation_pb.js";
import { EXIT } from "../exit-code.ts";
import { readMeshFile } from "../mesh/mesh-file.ts";
import { runProgram } from "../program.ts";
import { swarmReport } from "../run/swarm-report.ts";
import { temporaryFolder, testSession } from "../testing/test-session.ts";
import { view } from "../testing/views.ts";
import type { Report } from "../view/report.ts";
import { showsWhatItShould } from "./start.ts";

test("off a terminal start runs the example to its report and ends its mesh", { timeout: 60_000 }, async () => {
  const folder = temporaryFolder();
  const [state, file] = [join(folder, "state"), join(folder, "report.json")];
  const session = testSession();
  const exitCode = await runProgram(["start", "--state", state, "--port-base", "0", "--report", file], session);
  expect(session.terminal.err()).toContain("the mesh is up");
  expect(exitCode).toBe(EXIT.ok);
  expect(session.terminal.out()).toContain("■ stopped");
  const report: Report = JSON.parse(readFileSync(file, "utf8"));
  expect(report).toMatchObject({ outcome: "succeeded", balanced: true, swarm: { name: "research" } });
  const { limit, debt, available, reserved, unconfirmed, granted, in_doubt, spent } = report.books;
  expect(limit + debt).toBe(available + reserved + unconfirmed + granted + in_doubt + spent);
  expect(spent).toBe(report.tree.usage.credits);
  expect(existsSync(join(state, "mesh.json"))).toBe(false);
});

test("up keeps the mesh running, is alone in its folder, and ends with Ctrl-C", { timeout: 60_000 }, async () => {
  const state = join(temporaryFolder(), "state");
  const up = testSession();
  const ended = runProgram(["up", "--state", state, "--port-base", "0", "--json"], up);
  await up.terminal.says('"event":"up"');
  const before = readMeshFile(state);
  expect(JSON.parse(up.terminal.out())).toEqual({ event: "up", ...before });

  const second = testSession();
  expect(await runProgram(["up", "--state", state, "--port-base", "0"], second)).toBe(EXIT.refused);
  expect(second.terminal.err()).toContain(`a mesh runs from the state folder ${state} already`);

  process.kill(before?.pids.process ?? 0, "SIGKILL");
  await up.terminal.says("process ended (signal SIGKILL); it is started again");
  const changed = (): number | undefined => readMeshFile(state)?.pids.process;
  await vi.waitFor(() => expect(changed()).not.toBe(before?.pids.process), 10_000);
  expect(readMeshFile(state)?.addresses).toEqual(before?.addresses);

  const looking = testSession();
  expect(await runProgram(["tree", "--state", state], looking)).toBe(EXIT.ok);
  expect(looking.terminal.out()).toContain("research");

  up.interrupt();
  expect(await ended).toBe(EXIT.ok);
  expect(readMeshFile(state)).toBeUndefined();
});

const report = (outcome: string, ends: readonly (readonly [name: string, outcome: string])[]): Report => {
  const children = ends.map(([name, end]) => view({ path: `s/r/${name}`, more: { outcome: end } }));
  const run = view({ path: "s/r", kind: AllocationKind.RUN, children, more: { outcome } });
  return swarmReport({ swarm: view({ path: "s", kind: AllocationKind.SWARM, children: [run] }), runs: [], outcome });
};

test("the example shows what it should when the runaway alone was stopped", () => {
  const good = report("succeeded", [
    ["a", "succeeded"],
    ["runaway", "stopped"],
  ]);
  expect(showsWhatItShould(good)).toBe(true);
  expect(showsWhatItShould({ ...good, balanced: false })).toBe(false);
  expect(
    showsWhatItShould(
      report("succeeded", [
        ["a", "succeeded"],
        ["runaway", "succeeded"],
      ]),
    ),
  ).toBe(false);
  expect(
    showsWhatItShould(
      report("succeeded", [
        ["a", "failed"],
        ["runaway", "stopped"],
      ]),
    ),
  ).toBe(false);
  expect(
    showsWhatItShould(
      report("stopped", [
        ["a", "succeeded"],
        ["runaway", "stopped"],
      ]),
    ),
  ).toBe(false);
});
