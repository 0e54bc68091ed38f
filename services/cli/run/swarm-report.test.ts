import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { AllocationKind, AllocationState, type AllocationView } from "#gen/bursar/v1/allocation_pb.js";
import { RoutineSchema } from "#gen/bursar/v1/routine_pb.js";
import { RunEventSchema, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import { view } from "../testing/views.ts";
import type { ReportNode } from "../view/report.ts";
import { RunRecord } from "./run-record.ts";
import { swarmReport } from "./swarm-report.ts";

const code = { case: "code" as const, value: { command: ["true"] } };
const routine = create(RoutineSchema, {
  name: "survey",
  steps: [
    { name: "list", work: code },
    {
      name: "study",
      work: {
        case: "parallel",
        value: {
          branches: [
            { name: "words", steps: [{ name: "count", work: code }] },
            { name: "lines", steps: [{ name: "count", work: code }] },
          ],
        },
      },
    },
    { name: "sum", work: code },
  ],
});

const RUN = "global/s/survey";

function record(run: AllocationView): RunRecord {
  const made = new RunRecord(routine);
  const ended = (path: string, outcome: WorkOutcome, message?: string) =>
    made.take(
      create(RunEventSchema, {
        event: {
          case: "stepFinished",
          value: {
            allocationId: outcome === WorkOutcome.SKIPPED ? "" : `id:${path}`,
            path,
            outcome,
            ...(message ? { error: { message } } : {}),
          },
        },
      }),
    );
  made.take(create(RunEventSchema, { wallTimeMs: 1_000n, event: { case: "started", value: { run } } }));
  made.take(
    create(RunEventSchema, { wallTimeMs: 1_200n, event: { case: "stepStarted", value: { path: `${RUN}/list` } } }),
  );
  ended(`${RUN}/list`, WorkOutcome.SUCCEEDED);
  ended(`${RUN}/study/lines/count`, WorkOutcome.STOPPED, "no budget left");
  ended(`${RUN}/study/words`, WorkOutcome.FAILED, "no slot");
  ended(`${RUN}/study`, WorkOutcome.FAILED);
  ended(`${RUN}/sum`, WorkOutcome.SKIPPED);
  const value = { outcome: WorkOutcome.FAILED, error: { message: "study failed" }, run };
  made.take(create(RunEventSchema, { wallTimeMs: 3_000n, event: { case: "finished", value } }));
  return made;
}

const inside = [
  view({
    path: `${RUN}/study`,
    children: [
      view({
        path: `${RUN}/study/lines`,
        kind: AllocationKind.BRANCH,
        children: [view({ path: `${RUN}/study/lines/count`, spent: 7, more: { reason: "stopped" } })],
      }),
    ],
  }),
  view({ path: `${RUN}/list`, spent: 3 }),
];
const run = (children: readonly AllocationView[]) =>
  view({ path: RUN, kind: AllocationKind.RUN, state: AllocationState.CLOSED, spent: 10, children });
const swarm = (child: AllocationView) =>
  view({ path: "global/s", kind: AllocationKind.SWARM, limit: 500, spent: 10, children: [child] });

const outline = (node: ReportNode, depth = 0): string[] => [
  `${" ".repeat(depth)}${node.name} ${node.state} ${node.outcome}${node.reason === "" ? "" : `: ${node.reason}`}`,
  ...node.children.flatMap((child) => outline(child, depth + 1)),
];

const EXPECTED = [
  "s open failed",
  " survey closed failed: study failed",
  "  list open succeeded",
  "  study open failed",
  "   words not_started failed: no slot",
  "   lines open ",
  "    count open stopped: no budget left",
  "  sum not_started skipped: not started",
];

test("the tree says how each step ended, in the routine's order, those that never started included", () => {
  const report = swarmReport({ swarm: swarm(run(inside)), runs: [record(run(inside))], outcome: "failed" });
  expect(outline(report.tree)).toEqual(EXPECTED);
  expect(report).toMatchObject({
    swarm: { id: "id:global/s", path: "global/s", name: "s", state: "open" },
    outcome: "failed",
    books: { limit: 500, spent: 10, available: 490 },
    balanced: true,
  });
  expect(report.calls).toBeUndefined();
});

test("a coordination daemon that forgot the inside of a run is helped out by the run's last event", () => {
  const report = swarmReport({ swarm: swarm(run([])), runs: [record(run(inside))], outcome: "failed" });
  expect(outline(report.tree)).toEqual(EXPECTED);
});

test("a run that nobody followed is shown as coordination has it", () => {
  const report = swarmReport({ swarm: swarm(run(inside)), runs: [], outcome: "failed" });
  expect(outline(report.tree)).toContain("  study open ");
});
