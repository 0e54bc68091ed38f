import { create } from "@bufbuild/protobuf";
import { expect, test, vi } from "vitest";
import { RefusalError } from "#errors";
import { AllocationKind, AllocationState, type AllocationView } from "#gen/bursar/v1/allocation_pb.js";
import { PreemptionMode } from "#gen/bursar/v1/preemption_service_pb.js";
import { WatchUsageResponseSchema } from "#gen/bursar/v1/watch_service_pb.js";
import { EXIT } from "../exit-code.ts";
import { runProgram } from "../program.ts";
import { type FakeMesh, startFakeMesh } from "../testing/fake-mesh.ts";
import { bursar, testSession } from "../testing/test-session.ts";
import { view } from "../testing/views.ts";
import { nodeOf } from "../view/report.ts";
import { findNode } from "./find-node.ts";
import { TreeModel } from "./tree-model.ts";

const swarm = (spent: number, more: Partial<AllocationView> = {}) =>
  view({ path: "g/demo/s", kind: AllocationKind.SWARM, limit: 200, spent, more });
const run = view({ path: "g/demo/s/r", kind: AllocationKind.RUN, limit: 50 });
const tree = () =>
  view({
    path: "g",
    kind: AllocationKind.ACCOUNT,
    limit: 1_000,
    children: [
      view({ path: "g/demo", kind: AllocationKind.ACCOUNT, limit: 500, children: [swarm(10, { children: [run] })] }),
    ],
  });

const watched = (...changes: readonly AllocationView[]): Promise<FakeMesh> =>
  startFakeMesh({
    watch: {
      watchUsage: async function* (_, { signal }) {
        yield { snapshot: true, nodes: [tree()] };
        for (const change of changes) yield { nodes: [change] };
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      },
    },
  });

test("the model takes snapshots, changes and removals", () => {
  const model = new TreeModel();
  expect(model.isEmpty).toBe(true);
  const all = model.apply(create(WatchUsageResponseSchema, { snapshot: true, nodes: [tree()] }));
  expect(all.map(({ path }) => path)).toEqual(["g", "g/demo", "g/demo/s", "g/demo/s/r"]);
  const changed = model.apply(create(WatchUsageResponseSchema, { nodes: [swarm(25)] }));
  expect(changed.map(({ path, children }) => [path, children])).toEqual([["g/demo/s", []]]);
  expect(model.roots()).toEqual([{ ...nodeOf(tree()), children: model.roots()[0]?.children }]);
  expect(findNode(model.roots(), "g/demo/s")).toMatchObject({ usage: { credits: 25 }, children: [{ name: "r" }] });
  model.apply(create(WatchUsageResponseSchema, { removedAllocationIds: ["id:g/demo/s/r"] }));
  expect(findNode(model.roots(), "g/demo/s").children).toEqual([]);
  model.apply(create(WatchUsageResponseSchema, { snapshot: true, nodes: [run] }));
  expect(model.roots().map(({ name }) => name)).toEqual(["r"]);
});

test("a node is found by id, path, or the end of its path; open before closed, later before earlier", () => {
  const closed = swarm(1, { state: AllocationState.CLOSED, allocationId: "0003" });
  const roots = [tree(), closed, swarm(2, { allocationId: "0002" }), swarm(3, { allocationId: "0001" })].map(nodeOf);
  expect(findNode(roots, "0001").usage.credits).toBe(3);
  expect(findNode(roots, "g/demo/s").id).toBe("id:g/demo/s");
  expect(findNode(roots, "/demo/").path).toBe("g/demo");
  expect(findNode(roots, "s/r").path).toBe("g/demo/s/r");
  expect(findNode([closed].map(nodeOf), "s").id).toBe("0003");
  expect(() => findNode(roots, "mo/s")).toThrow("nothing with the id or path mo/s is known");
});

test("tree, get and ls show it, as text and as JSON", async () => {
  const { address } = await watched();
  const at = ["--address", address];
  const shown = await bursar("tree", ...at);
  expect(shown.exitCode).toBe(EXIT.ok);
  expect(shown.out.split("\n")).toEqual([
    "NAME        KIND     STATE      USED  OF CREDITS",
    "g           account  open          0       1,000  ░░░░░░░░░░  0%",
    "└─ demo     account  open          0         500  ░░░░░░░░░░  0%",
    "   └─ s     swarm    open         10         200  █░░░░░░░░░  5%",
    "      └─ r  run      ▶ running     0          50  ░░░░░░░░░░  0%",
  ]);
  const part = await bursar("tree", "demo/s", "--json", ...at);
  expect(JSON.parse(part.out)).toMatchObject([{ path: "g/demo/s", children: [{ path: "g/demo/s/r" }] }]);
  expect((await bursar("get", "s", ...at)).out).toContain("g/demo/s\nid        id:g/demo/s\n");
  expect(JSON.parse((await bursar("get", "s", "--json", ...at)).out)).toMatchObject({ kind: "swarm" });
  expect(await bursar("get", "nobody", ...at)).toMatchObject({ exitCode: EXIT.refused, out: "" });
  expect((await bursar("ls", ...at)).out).toBe("no swarms are known");
});

test("a watched tree off a terminal is the tree, then a line for each change, until Ctrl-C", async () => {
  const { address } = await watched(swarm(20), swarm(30));
  const session = testSession();
  const ended = runProgram(["tree", "--watch", "--address", address], session);
  await session.terminal.says("g/demo/s  open  30 of 200 (15%)");
  session.interrupt();
  expect(await ended).toBe(EXIT.interrupted);
  const lines = session.terminal.out().split("\n");
  expect(lines[0]).toMatch(/^NAME/);
  expect(lines.slice(-2)).toEqual(["g/demo/s  open  20 of 200 (10%)", "g/demo/s  open  30 of 200 (15%)"]);
});

test("a watched tree as JSON is a line each", async () => {
  const { address } = await watched(swarm(20));
  const session = testSession();
  const ended = runProgram(["tree", "--watch", "--json", "--address", address], session);
  await session.terminal.says('"changed"');
  session.interrupt();
  await ended;
  const lines = session.terminal
    .out()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines).toMatchObject([{ tree: [{ path: "g" }] }, { changed: [{ path: "g/demo/s", usage: { credits: 20 } }] }]);
});

test("on a terminal it is redrawn", async () => {
  const { address } = await watched(swarm(20));
  const session = testSession({ isTerminal: true });
  const ended = runProgram(["tree", "--watch", "--address", address], session);
  await vi.waitFor(() => expect(session.terminal.drawn).toHaveLength(2));
  session.interrupt();
  await ended;
  expect(session.terminal.out()).toBe("");
  expect(session.terminal.drawn[1]?.join("\n")).toContain("20         200");
});

test("stop names a swarm by the end of its path, and nothing else", async () => {
  const { address } = await watched();
  const stopped = await bursar("stop", "s", "--address", address);
  expect(stopped).toMatchObject({ exitCode: EXIT.ok, out: "global/replay is closed; 0 credits used" });
  const wrong = await bursar("stop", "demo", "--address", address);
  expect(wrong.exitCode).toBe(EXIT.refused);
  expect(wrong.err).toContain("g/demo is an account, not a swarm or run");
});

test("stop ends one run where a run is named", async () => {
  const asked: unknown[] = [];
  const closing = view({ path: "g/demo/s/r", kind: AllocationKind.RUN, state: AllocationState.CLOSING, spent: 7 });
  const { address } = await startFakeMesh({
    coordination: {
      stopRun: ({ run: id, reason }) => {
        asked.push([id, reason]);
        return { run: closing };
      },
    },
    watch: {
      watchUsage: async function* () {
        yield { snapshot: true, nodes: [tree()] };
      },
    },
  });
  const stopped = await bursar("stop", "s/r", "--reason", "astray", "--address", address);
  expect(stopped).toMatchObject({ exitCode: EXIT.ok, out: "g/demo/s/r is closing; 7 credits used" });
  expect(stopped.err).toContain("get id:g/demo/s/r");
  expect(asked).toEqual([["id:g/demo/s/r", "astray"]]);
});

test("write-off names who decided, and tells what it was", async () => {
  const asked: unknown[] = [];
  const closed = view({ path: "g/demo/s/r", kind: AllocationKind.RUN, state: AllocationState.CLOSED });
  const { address } = await startFakeMesh({
    coordination: {
      writeOff: ({ allocationId, reason, requestId }) => {
        asked.push([allocationId, reason, requestId !== ""]);
        return { allocation: closed, writtenOff: { credits: 250n, toolCalls: 3n } };
      },
    },
    watch: {
      watchUsage: async function* () {
        yield { snapshot: true, nodes: [tree()] };
      },
    },
  });
  const done = await bursar("write-off", "s/r", "--reason", "host 7 is gone", "--address", address);
  expect(done).toMatchObject({ exitCode: EXIT.ok, out: "g/demo/s/r is closed; 250 credits written off" });
  const json = await bursar("write-off", "s/r", "--reason", "gone", "--json", "--address", address);
  expect(JSON.parse(json.out)).toMatchObject({ written_off: { credits: 250, tool_calls: 3 } });
  expect(asked[0]).toEqual(["id:g/demo/s/r", "host 7 is gone", true]);
  expect(await bursar("write-off", "s/r", "--address", address)).toMatchObject({ exitCode: EXIT.usage });
  expect(await bursar("write-off", "s", "--reason", "x", "--address", address)).toMatchObject({
    exitCode: EXIT.refused,
  });
});

test("preempt tells how it goes and ends with how it stands", async () => {
  const asked: unknown[] = [];
  const mesh = await startFakeMesh({
    coordination: {
      preemptRun: async function* (request) {
        asked.push([request.runId, request.amounts?.credits]);
        yield { progress: { reclaimed: { credits: 5n }, pending: { credits: 15n } } };
        const met = request.amounts !== undefined;
        yield { progress: { reclaimed: { credits: 20n }, met, done: true, pending: { credits: met ? 0n : 1n } } };
      },
    },
    watch: {
      watchUsage: async function* () {
        yield { snapshot: true, nodes: [tree()] };
      },
    },
  });
  const met = await bursar("preempt", "s/r", "--credits", "20", "--address", mesh.address);
  expect(met).toMatchObject({
    exitCode: EXIT.ok,
    out: "✔ 20 credits back",
    err: "… 5 credits back, 15 credits still wanted",
  });
  const unmet = await bursar("preempt", "s/r", "--json", "--address", mesh.address);
  expect(unmet.exitCode).toBe(EXIT.failed);
  expect(JSON.parse(unmet.out)).toMatchObject({ met: false, reclaimed: { credits: 20 }, pending: { credits: 1 } });
  expect(asked).toEqual([
    ["id:g/demo/s/r", 20n],
    ["id:g/demo/s/r", undefined],
  ]);
  expect(await bursar("preempt", "s", "--address", mesh.address)).toMatchObject({ exitCode: EXIT.refused });
});

test("preempt passes on how, and resume says what was given back", async () => {
  const asked: unknown[] = [];
  const mesh = await startFakeMesh({
    coordination: {
      preemptRun: async function* ({ mode, graceMs, waitMs }) {
        asked.push([mode, graceMs, waitMs]);
        yield { progress: { reclaimed: { credits: 20n }, victims: ["a", "b"], met: true, done: true } };
      },
      resume: ({ run, requestId }) => {
        asked.push([run, requestId !== ""]);
        return {
          run: view({ path: "g/demo/s/r", kind: AllocationKind.RUN }),
          granted: { credits: 20n, toolCalls: 2n },
        };
      },
    },
    watch: {
      watchUsage: async function* () {
        yield { snapshot: true, nodes: [tree()] };
      },
    },
  });
  const at = ["--address", mesh.address];
  const paused = await bursar("preempt", "s/r", "--mode", "pause", ...at);
  expect(paused).toMatchObject({ exitCode: EXIT.ok, out: "✔ paused: 20 credits back, 2 steps below" });
  expect(paused.err).toContain("resume s/r");
  const stopped = await bursar("preempt", "s/r", "--mode", "stop", "--grace", "5s", ...at);
  expect(stopped).toMatchObject({ exitCode: EXIT.ok, out: "✔ stopped: 20 credits back, 2 steps below" });
  const resumed = await bursar("resume", "s/r", ...at);
  expect(resumed).toMatchObject({ exitCode: EXIT.ok, out: "g/demo/s/r is open; 20 credits given back" });
  const json = await bursar("resume", "s/r", "--json", ...at);
  expect(JSON.parse(json.out)).toMatchObject({ granted: { credits: 20, tool_calls: 2 }, run: { state: "open" } });
  expect(asked).toEqual([
    [PreemptionMode.PAUSE, undefined, 0],
    [PreemptionMode.STOP, 5_000, 15_000],
    ["id:g/demo/s/r", true],
    ["id:g/demo/s/r", true],
  ]);
  for (const wrong of [
    ["--mode", "stop", "--credits", "5"],
    ["--mode", "pause", "--grace", "5s"],
  ])
    expect(await bursar("preempt", "s/r", ...wrong, ...at)).toMatchObject({ exitCode: EXIT.usage });
});

test("limits shows what was and is, passes on what the mesh notes, and its refusals", async () => {
  const asked: unknown[] = [];
  const { address } = await startFakeMesh({
    coordination: {
      updateLimits: ({ allocationId, overrides, strategy = 5 }) => {
        asked.push([allocationId, overrides, strategy]);
        if (overrides?.maxCredits === 1n) {
          throw new RefusalError({ reason: "INVALID_ARGUMENT", message: "g/demo/s has 10 of its 200 used" });
        }
        const before = { maxCredits: 200n, maxDurationMs: 60_000n };
        const after = { ...before, maxCredits: overrides?.maxCredits ?? 200n };
        return {
          allocation: swarm(10),
          ...{ strategy, strategySource: 3, strategyPath: "g" },
          before,
          after,
          note: overrides?.maxCredits === undefined ? "" : "say it there too",
        };
      },
    },
    watch: {
      watchUsage: async function* () {
        yield { snapshot: true, nodes: [tree()] };
      },
    },
  });
  const at = ["--address", address];
  const shown = await bursar("limits", "s", ...at);
  expect(shown.out.split("\n")).toEqual([
    "g/demo/s",
    "credits     200",
    "tool calls  not limited",
    "branches    not limited",
    "memory      not limited",
    "duration    1 min",
    "strategy    QUEUE_AND_WAIT (inherited from g)",
  ]);
  const another = await bursar("limits", "s", "--strategy", "priority_based", "--json", ...at);
  expect(JSON.parse(another.out).strategy).toEqual({ name: "PRIORITY_BASED", from: "inherited", path: "g" });
  await bursar("limits", "s", "--strategy", "INHERITED", ...at);
  expect(asked.at(-1)).toMatchObject(["id:g/demo/s", {}, 0]);
  const raised = await bursar("limits", "demo/s", "--credits", "1_200", "--memory", "1KiB", ...at);
  expect(raised).toMatchObject({ exitCode: EXIT.ok, err: "say it there too" });
  expect(raised.out).toContain("credits     200 → 1,200\n");
  expect(asked.at(-1)).toMatchObject(["id:g/demo/s", { maxCredits: 1_200n, maxMemoryBytes: 1_024n }, 5]);
  const json = JSON.parse((await bursar("limits", "s", "--credits", "300", "--json", ...at)).out);
  expect(json).toMatchObject({ path: "g/demo/s", before: { max_credits: 200 }, after: { max_credits: 300 } });
  const refused = await bursar("limits", "s", "--credits", "1", ...at);
  expect(refused.exitCode).toBe(EXIT.usage);
  expect(refused.err).toContain("g/demo/s has 10 of its 200 used");
});
