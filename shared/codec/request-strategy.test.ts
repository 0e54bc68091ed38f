import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { CreateSwarmRequestSchema, RunRoutineRequestSchema } from "#gen/bursar/v1/coordination_service_pb.js";
import type { Parsed } from "./parse/parsed.ts";
import { parseCreateSwarm, parseRunRoutine } from "./requests.ts";

/** What a request names, or the fields that are wrong. */
function namedIn(parsed: Parsed<{ readonly requestStrategy?: string }>): unknown {
  return parsed.ok ? parsed.value.requestStrategy : parsed.violations.map(({ field }) => field).sort();
}

test("CreateSwarm names the strategy that decides about it, or none", () => {
  const swarm = (requestStrategy: number) =>
    namedIn(
      parseCreateSwarm(create(CreateSwarmRequestSchema, { requestId: "r", account: "a", name: "s", requestStrategy })),
    );
  expect([swarm(0), swarm(5), swarm(42)]).toEqual([undefined, "QUEUE_AND_WAIT", ["request_strategy"]]);
});

test("RunRoutine names its own, or has that of the routine", () => {
  const run = (own: number, routines: number) => {
    const steps = [{ name: "s", work: { case: "worker" as const, value: { kind: "llm" } } }];
    const routine = { name: "r", steps, requestStrategy: routines };
    const request = { requestId: "r", swarmId: "s", routine, requestStrategy: own };
    return namedIn(parseRunRoutine(create(RunRoutineRequestSchema, request)));
  };
  expect([run(0, 0), run(0, 2), run(5, 2)]).toEqual([undefined, "PRIORITY_BASED", "QUEUE_AND_WAIT"]);
  expect(run(42, 42)).toEqual(["request_strategy", "routine.request_strategy"]);
});
