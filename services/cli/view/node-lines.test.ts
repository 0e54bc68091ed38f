import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ResourceLimitsSchema, ResourceUsageSchema } from "#gen/bursar/v1/resources_pb.js";
import { view } from "../testing/views.ts";
import { changeLine } from "./change-line.ts";
import { nodeLines } from "./node-lines.ts";
import { nodeOf } from "./report.ts";
import { styleFor } from "./style.ts";
import { swarmLines } from "./swarm-lines.ts";

const style = styleFor({ colour: false });
const canvas = { style, columns: 120 };

const node = nodeOf(
  view({
    path: "g/s/r/count",
    limit: 2_000,
    spent: 20,
    more: {
      outcome: "failed",
      reason: "exit code 1",
      limits: create(ResourceLimitsSchema, {
        maxCredits: 2_000n,
        maxMemoryBytes: 268_435_456n,
        maxDurationMs: 15_000n,
        maxConcurrentBranches: 3n,
        maxToolCalls: 1n,
        emergencyReserve: 5n,
      }),
      usage: create(ResourceUsageSchema, {
        credits: 20n,
        toolCalls: 2n,
        overrunCredits: 1n,
        memoryBytesPeak: 1_048_576n,
        tools: [{ name: "code", calls: 1n }],
      }),
    },
  }),
);

test("a node is shown with everything that is known about it", () => {
  expect(nodeLines(node, canvas).slice(0, 7)).toEqual([
    "g/s/r/count",
    "id        id:g/s/r/count",
    "kind      step",
    "state     ✖ failed",
    "why       exit code 1; 1 overrun",
    "may use   2,000 credits, 1 tool call, 3 slots for children, 256 MiB, 15 s, emergency reserve 5",
    "has used  20 credits, 2 tool calls, 1 of them beyond what was reserved, at most 1 MiB at a time, calls: code 1",
  ]);
});

test("a change is one line", () => {
  expect(changeLine(node)).toBe("g/s/r/count  ✖ failed  20 of 2,000 (1%)  exit code 1; 1 overrun");
});

test("swarms are listed with their ids, and none is said", () => {
  expect(swarmLines([node], style)).toEqual([
    "SWARM        STATE     USED  OF CREDITS                  ID",
    "g/s/r/count  ✖ failed    20       2,000  █░░░░░░░░░  1%  id:g/s/r/count",
  ]);
  expect(swarmLines([], style)).toEqual(["no swarms are known"]);
});
