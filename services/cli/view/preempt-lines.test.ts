import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { PreemptResponseSchema } from "#gen/bursar/v1/preemption_service_pb.js";
import { preemptLine, preemptReport } from "./preempt-lines.ts";
import { styleFor } from "./style.ts";

const style = styleFor({ colour: false });

test("what came back, what is still wanted, and of whom", () => {
  const waiting = preemptReport(
    create(PreemptResponseSchema, {
      reclaimed: { credits: 1_000n, concurrentBranches: 1n },
      pending: { credits: 500n, memoryBytes: 1_048_576n },
      waitingOn: ["a", "b"],
    }),
    "shrink",
  );
  expect(preemptLine(waiting, style)).toBe(
    "… 1,000 credits, 1 slot back, 500 credits, 1 MiB still wanted, asked of 2 allocations below",
  );
});

test("a preemption that is met", () => {
  const met = preemptReport(create(PreemptResponseSchema, { met: true, victims: ["v"] }), "shrink");
  expect(preemptLine(met, style)).toBe("✔ nothing back");
  expect(met).toMatchObject({ met: true, victims: ["v"], pending: { credits: 0, tool_calls: 0 } });
});

test("a pause and a stop say so", () => {
  const message = create(PreemptResponseSchema, { reclaimed: { credits: 7n }, victims: ["v", "w"] });
  expect(preemptLine(preemptReport({ ...message, met: true }, "pause"), style)).toBe(
    "✔ paused: 7 credits back, 2 steps below",
  );
  expect(preemptLine(preemptReport({ ...message, met: true }, "stop"), style)).toBe(
    "✔ stopped: 7 credits back, 2 steps below",
  );
  expect(preemptLine(preemptReport({ ...message, waitingOn: ["v"] }, "stop"), style)).toBe(
    "… stopping: 7 credits back, the rest when it is gone, asked of 1 allocation below",
  );
});
