import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { AllocationKind, AllocationState, WaitingRequestSchema } from "#gen/bursar/v1/allocation_pb.js";
import { LIMITS } from "#std";
import { view } from "../testing/views.ts";
import { changeLine } from "./change-line.ts";
import { nodeOf } from "./report.ts";
import { styleFor } from "./style.ts";
import { treeLines } from "./tree-lines.ts";

const plain = { style: styleFor({ colour: false }), columns: Number.POSITIVE_INFINITY };

const swarm = nodeOf(
  view({
    path: "s",
    kind: AllocationKind.SWARM,
    limit: 50_000,
    spent: 210,
    children: [
      view({ path: "s/first", limit: 2_000, spent: 20, more: { outcome: "succeeded" } }),
      view({
        path: "s/both",
        limit: 200,
        spent: 190,
        children: [
          view({ path: "s/both/one", kind: AllocationKind.BRANCH, limit: 0 }),
          view({ path: "s/both/two", limit: 200, spent: 190, more: { outcome: "stopped", reason: "no\nmore" } }),
        ],
      }),
    ],
  }),
);

test("a tree is drawn with its lines, columns and bars", () => {
  expect(treeLines([swarm], plain)).toEqual([
    "NAME       KIND    STATE        USED  OF CREDITS",
    "s          swarm   open          210      50,000  █░░░░░░░░░  <1%",
    "├─ first   step    ✔ succeeded    20       2,000  █░░░░░░░░░   1%",
    "└─ both    step    ▶ running     190         200  █████████░  95%",
    "   ├─ one  branch  ▶ running       0           0",
    "   └─ two  step    ■ stopped     190         200  █████████░  95%  no more",
  ]);
});

test("names that a node holds stand behind it while it is open", () => {
  const access = { $typeName: "bursar.v1.NamedAccess", exclusive: ["browser", "lab"], shared: ["db"] } as const;
  const held = { access: { ...access, exclusive: [...access.exclusive], shared: [...access.shared] } };
  const node = nodeOf(view({ path: "s", more: held }));
  expect(treeLines([node], plain)[1]).toContain("holds browser alone, lab alone, db");
  expect(node.access).toEqual({ exclusive: ["browser", "lab"], shared: ["db"] });
  const closed = nodeOf(view({ path: "s", state: AllocationState.CLOSED, more: held }));
  expect(treeLines([closed], plain)[1]).not.toContain("holds");
});

test("a note is cut to the window, and keeps something of itself in the narrowest", () => {
  const reason = "x".repeat(200);
  const node = nodeOf(view({ path: "s", more: { outcome: "failed", reason } }));
  const cut = (columns: number): string => treeLines([node], { ...plain, columns })[1] ?? "";
  expect(cut(90)).toHaveLength(90);
  expect(cut(90).endsWith("x…")).toBe(true);
  expect(cut(10)).toContain("xxxxxxxxxxxxxxxxxxx…");
  expect(cut(Number.POSITIVE_INFINITY)).toContain(reason);
});

test("of many closed swarms the latest are shown, open ones always; with all, all", () => {
  const state = AllocationState.CLOSED;
  const closed = Array.from({ length: 13 }, (_, index) =>
    view({ path: `a/c${index}`, kind: AllocationKind.SWARM, state }),
  );
  const open = view({ path: "a/open", kind: AllocationKind.SWARM });
  const account = nodeOf(view({ path: "a", kind: AllocationKind.ACCOUNT, children: [open, ...closed] }));
  const lines = treeLines([account], plain);
  expect(lines).toHaveLength(1 + 1 + 1 + LIMITS.shownClosedMax + 1);
  expect(lines.join("\n")).not.toContain("c2 ");
  expect(lines[2]).toMatch(/^├─ open/);
  expect(lines[3]).toMatch(/^├─ c3 /);
  expect(lines.at(-1)).toBe("└─ … 3 closed before");
  expect(treeLines([account], { ...plain, all: true })).toHaveLength(1 + 1 + 14);
});

test("of many branches the first are shown", () => {
  const branches = Array.from({ length: 20 }, (_, index) => view({ path: `p/b${index}`, kind: AllocationKind.BRANCH }));
  const lines = treeLines([nodeOf(view({ path: "p", children: branches }))], plain);
  expect(lines.at(-1)).toBe("└─ … 4 more branches");
  expect(lines.at(-2)).toMatch(/^├─ b15 /);
});

test("colour takes no room", () => {
  const coloured = treeLines([swarm], { ...plain, style: styleFor({ colour: true }) });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what colours are made of
  const bare = coloured.map((line) => line.replaceAll(/\u001b\[[0-9;]*m/g, ""));
  expect(bare).toEqual(treeLines([swarm], plain));
  expect(coloured.join()).toContain("\u001b[33m■ stopped");
});

test("nothing is said to be nothing", () => {
  expect(treeLines([], plain)).toEqual(["nothing there yet"]);
});

test("who waits for room is counted, with the command that tells more", () => {
  const shown = (waiting: number) => treeLines([nodeOf(view({ path: "s", limit: 100, more: { waiting } }))], plain)[1];
  expect(shown(1)).toContain("1 request waits for room: bursar why s");
  expect(shown(2)).toContain("2 requests wait for room");
  expect(shown(0)).not.toContain("wait");
});

test("those who wait stand below what is open, each with its place and when that may change, as why says it", () => {
  const place = "it waits at place 1 under QUEUE_AND_WAIT (its own); something changes in about 12000 ms";
  const waiter = (name: string, position: number, more: object = {}) =>
    create(WaitingRequestSchema, {
      ...{ requestId: `r-${name}`, allocationId: name, name, kind: AllocationKind.RUN, priority: 3 },
      ...{ wanted: { credits: 500n }, waitedMs: 300n, conflict: { position, expectedWaitMs: 12_000 }, place },
      ...more,
    });
  const paused = waiter("", 3, { requestId: "", allocationId: "id:s/first", kind: 0, wanted: { credits: 20n } });
  const first = view({ path: "s/first", kind: AllocationKind.RUN, limit: 800, state: AllocationState.PAUSED });
  const waiters = [waiter("second", 1), waiter("third", 2), paused];
  const swarm = view({ path: "s", kind: AllocationKind.SWARM, limit: 1_000, children: [first] });
  const node = nodeOf(Object.assign(swarm, { waiting: 7, waiters }));
  expect(treeLines([node], plain).slice(2)).toEqual([
    `├─ first   run    paused            0         800  ░░░░░░░░░░  0%  waits, 3 of 7, to go on with 20 credits: ${place}`,
    `├─ second  run    waits, 1 of 7               500                  ${place}`,
    `└─ third   run    waits, 2 of 7               500                  ${place}`,
  ]);
  expect(node.waiters?.[0]).toMatchObject({
    request_id: "r-second",
    position: 1,
    expected_wait_ms: 12_000,
    priority: "HIGH",
  });
});

test("a change of who waits is told in one line", () => {
  const waiter = { allocationId: "t", name: "third", conflict: { position: 2 } };
  const waiters = [create(WaitingRequestSchema, waiter)];
  const line = changeLine(nodeOf(view({ path: "s", limit: 100, more: { waiting: 2, waiters } })));
  expect(line).toBe("s  ▶ running  0 of 100 (0%)  2 requests wait for room: bursar why s; third waits, 2 of 2");
});

test("a budget that runs low is noted while it is open", () => {
  const low = (state: AllocationState) =>
    nodeOf(view({ path: "s", limit: 100, spent: 96, state, more: { lowBudgetPercent: 95 } }));
  expect(treeLines([low(AllocationState.OPEN)], plain)[1]).toContain("! 95% of a limit used");
  expect(treeLines([low(AllocationState.CLOSED)], plain)[1]).not.toContain("!");
});
