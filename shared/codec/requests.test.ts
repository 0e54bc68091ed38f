import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { RefusalError } from "#errors";
import {
  CreateSwarmRequestSchema,
  GetAccountsRequestSchema,
  GetSwarmRequestSchema,
  ListSwarmsRequestSchema,
  PreemptRunRequestSchema,
  RunRoutineRequestSchema,
  StopRunRequestSchema,
  StopSwarmRequestSchema,
  WatchRunRequestSchema,
  WriteOffRequestSchema,
} from "#gen/bursar/v1/coordination_service_pb.js";
import { ExecuteStepRequestSchema } from "#gen/bursar/v1/execution_service_pb.js";
import { PreemptRequestSchema } from "#gen/bursar/v1/preemption_service_pb.js";
import { ExecuteRoutineRequestSchema } from "#gen/bursar/v1/process_service_pb.js";
import { ResourceAmountsSchema } from "#gen/bursar/v1/resources_pb.js";
import { WatchUsageRequestSchema } from "#gen/bursar/v1/watch_service_pb.js";
import { LIMITS } from "#std";
import { type Parsed, parseOrThrow } from "./parse/parsed.ts";
import {
  parseCreateSwarm,
  parseGetAccounts,
  parseGetSwarm,
  parseListSwarms,
  parsePreemptRun,
  parseRunRoutine,
  parseStopRun,
  parseStopSwarm,
  parseWatchRun,
  parseWatchUsage,
  parseWriteOff,
} from "./requests.ts";
import { parseAmounts, parseExecuteRoutine, parseExecuteStep, parsePreempt } from "./work-requests.ts";

const fieldsOf = (parsed: Parsed<unknown>): string[] =>
  parsed.ok ? [] : parsed.violations.map(({ field }) => field).sort();

const routine = { name: "main", limits: { maxCredits: 90n, maxToolCalls: 7n }, steps: [{ name: "a", work: worker() }] };

function worker() {
  return { case: "worker", value: { kind: "llm" } } as const;
}

describe("requests of clients", () => {
  test("CreateSwarm", () => {
    const request = { requestId: "r-1", account: "global/research", name: "swarm", limits: { maxCredits: 10n } };
    expect(parseCreateSwarm(create(CreateSwarmRequestSchema, request))).toEqual({
      ok: true,
      value: { ...request, limits: { credits: 10 }, priority: "NORMAL", policy: {} },
    });
    const wrong = {
      requestId: "",
      account: "",
      name: "No Name",
      limits: { maxCredits: -1n },
      priority: 42,
      policy: { strategy: 42 },
    };
    expect(fieldsOf(parseCreateSwarm(create(CreateSwarmRequestSchema, wrong as never)))).toEqual([
      "account",
      "limits.max_credits",
      "name",
      "policy.strategy",
      "priority",
      "request_id",
    ]);
  });

  test("RunRoutine takes from the routine's limits what it leaves out", () => {
    const request = { requestId: "r-1", swarmId: "s-1", routine, limits: { maxCredits: 50n }, priority: 3, waitMs: 9 };
    expect(parseRunRoutine(create(RunRoutineRequestSchema, request))).toMatchObject({
      ok: true,
      value: {
        requestId: "r-1",
        swarmId: "s-1",
        routine: { name: "main", limits: { credits: 90, toolCalls: 7 } },
        limits: { credits: 50, toolCalls: 7, branches: 1 },
        priority: "HIGH",
        waitMs: 9,
      },
    });
    expect(fieldsOf(parseRunRoutine(create(RunRoutineRequestSchema)))).toEqual(["request_id", "routine", "swarm_id"]);
  });

  test("GetSwarm, GetAccounts and WatchRun", () => {
    expect(parseGetSwarm(create(GetSwarmRequestSchema, { swarm: "global/demo/swarm", depth: 2 }))).toEqual({
      ok: true,
      value: { swarm: "global/demo/swarm", depth: 2 },
    });
    const deep = LIMITS.treeDepthMax + 1;
    expect(fieldsOf(parseGetSwarm(create(GetSwarmRequestSchema, { depth: deep })))).toEqual(["depth", "swarm"]);
    expect(parseGetAccounts(create(GetAccountsRequestSchema))).toEqual({ ok: true, value: { depth: 0 } });
    expect(fieldsOf(parseGetAccounts(create(GetAccountsRequestSchema, { depth: deep })))).toEqual(["depth"]);
    expect(parseWatchRun(create(WatchRunRequestSchema, { runId: "run" }))).toEqual({
      ok: true,
      value: { runId: "run" },
    });
    expect(fieldsOf(parseWatchRun(create(WatchRunRequestSchema)))).toEqual(["run_id"]);
  });

  test("ListSwarms has pages of a bounded size", () => {
    expect(parseListSwarms(create(ListSwarmsRequestSchema))).toEqual({
      ok: true,
      value: { account: "", pageSize: 100, pageToken: "" },
    });
    expect(parseListSwarms(create(ListSwarmsRequestSchema, { pageSize: 1_000, pageToken: "s" }))).toMatchObject({
      ok: true,
      value: { pageSize: 1_000, pageToken: "s" },
    });
    const wrong = { account: "a\n", pageSize: 1_001, pageToken: "\u0007" };
    expect(fieldsOf(parseListSwarms(create(ListSwarmsRequestSchema, wrong)))).toEqual([
      "account",
      "page_size",
      "page_token",
    ]);
  });

  test("PreemptRun: absent amounts are all that can be had", () => {
    const request = { preemptionId: "p-1", runId: "run", reason: "needed elsewhere" };
    expect(parsePreemptRun(create(PreemptRunRequestSchema, request))).toEqual({
      ok: true,
      value: { ...request, amounts: undefined, mode: "SHRINK", waitMs: 5_000 },
    });
    const some = create(PreemptRunRequestSchema, { ...request, amounts: { credits: 5n }, mode: 3, waitMs: 1 });
    expect(parsePreemptRun(some)).toMatchObject({
      ok: true,
      value: { amounts: { credits: 5, toolCalls: 0 }, mode: "STOP", waitMs: 1 },
    });
    const wrong = {
      reason: "x".repeat(1_025),
      amounts: { credits: -5n },
      mode: 9,
      waitMs: LIMITS.preemptWaitMsMax + 1,
    };
    expect(fieldsOf(parsePreemptRun(create(PreemptRunRequestSchema, wrong as never)))).toEqual([
      "amounts.credits",
      "mode",
      "preemption_id",
      "reason",
      "run_id",
      "wait_ms",
    ]);
  });

  test("StopSwarm", () => {
    expect(parseStopSwarm(create(StopSwarmRequestSchema, { swarm: "s" }))).toEqual({
      ok: true,
      value: { swarm: "s", reason: "", waitMs: 10_000 },
    });
    const wrong = { reason: "x".repeat(1_025), waitMs: LIMITS.stopWaitMsMax + 1 };
    expect(fieldsOf(parseStopSwarm(create(StopSwarmRequestSchema, wrong)))).toEqual(["reason", "swarm", "wait_ms"]);
  });

  test("StopRun", () => {
    expect(parseStopRun(create(StopRunRequestSchema, { run: "a/b" }))).toEqual({
      ok: true,
      value: { run: "a/b", reason: "", waitMs: 10_000 },
    });
    const wrong = { reason: "x".repeat(1_025), waitMs: LIMITS.stopWaitMsMax + 1 };
    expect(fieldsOf(parseStopRun(create(StopRunRequestSchema, wrong)))).toEqual(["reason", "run", "wait_ms"]);
  });

  test("WriteOff wants to know who decided, and why", () => {
    const request = { requestId: "r", allocationId: "a/b", reason: "host 7 is gone" };
    expect(parseWriteOff(create(WriteOffRequestSchema, request))).toEqual({
      ok: true,
      value: { requestId: "r", allocation: "a/b", reason: "host 7 is gone" },
    });
    const wrong = create(WriteOffRequestSchema, { reason: " " });
    expect(fieldsOf(parseWriteOff(wrong))).toEqual(["allocation_id", "reason", "request_id"]);
  });

  test("WatchUsage has a shortest interval and a usual one", () => {
    const parse = (request: object) => parseWatchUsage(create(WatchUsageRequestSchema, request));
    expect(parse({})).toEqual({ ok: true, value: { allocationId: "", intervalMs: 250, depth: 0 } });
    expect(parse({ intervalMs: 50, depth: 1, allocationId: "a" })).toMatchObject({
      ok: true,
      value: { intervalMs: 50 },
    });
    expect(fieldsOf(parse({ intervalMs: 49, allocationId: "\n", depth: 65 }))).toEqual([
      "allocation_id",
      "depth",
      "interval_ms",
    ]);
    expect(fieldsOf(parse({ intervalMs: LIMITS.watchIntervalMsMax + 1 }))).toEqual(["interval_ms"]);
  });

  test("a handler throws all violations as one refusal", () => {
    const request = create(StopSwarmRequestSchema, { waitMs: LIMITS.stopWaitMsMax + 1 });
    expect(() => parseOrThrow(parseStopSwarm, request)).toThrow(RefusalError);
    try {
      parseOrThrow(parseStopSwarm, request);
    } catch (error) {
      expect((error as RefusalError).refusal).toMatchObject({
        reason: "INVALID_ARGUMENT",
        fieldViolations: [{ field: "swarm", description: "is missing" }, { field: "wait_ms" }],
      });
    }
  });
});

const grant = {
  allocationId: "run-1",
  path: "global/swarm/run",
  depth: 2,
  name: "run",
  kind: 3,
  limits: { maxCredits: 50n },
  token: "secret",
  lease: { epoch: 4n, ttlMs: 15_000 },
  pooledCredits: true,
};
const traceparent = "00-11111111111111111111111111111111-2222222222222222-01";

describe("requests between daemons", () => {
  test("ExecuteRoutine", () => {
    const request = { instance: "process-1", incarnation: "life", grant, routine, trace: { traceparent } };
    expect(parseExecuteRoutine(create(ExecuteRoutineRequestSchema, request))).toMatchObject({
      ok: true,
      value: {
        instance: "process-1",
        incarnation: "life",
        grant: {
          allocationId: "run-1",
          kind: "run",
          epoch: 4,
          leaseTtlMs: 15_000,
          pooled: ["credits"],
          limits: { credits: 50 },
        },
        routine: { name: "main" },
        trace: { traceparent },
      },
    });
    const empty = create(ExecuteRoutineRequestSchema, { routine: {}, grantorIncarnation: "é" });
    expect(fieldsOf(parseExecuteRoutine(empty))).toEqual([
      "grant",
      "grantor_incarnation",
      "instance",
      "routine.name",
      "routine.steps",
    ]);
  });

  test("ExecuteRoutine and ExecuteStep without work only join, and need no more of the grant than its id", () => {
    const request = { instance: "process-1", grant: { allocationId: "run-1" } };
    const join = { type: "join", instance: "process-1", incarnation: "", allocationId: "run-1" };
    expect(parseExecuteRoutine(create(ExecuteRoutineRequestSchema, request))).toEqual({ ok: true, value: join });
    expect(parseExecuteStep(create(ExecuteStepRequestSchema, request))).toEqual({ ok: true, value: join });
    expect(fieldsOf(parseExecuteStep(create(ExecuteStepRequestSchema)))).toEqual(["grant", "instance"]);
    const nameless = create(ExecuteStepRequestSchema, { ...request, grant: {} });
    expect(fieldsOf(parseExecuteStep(nameless))).toEqual(["grant.allocation_id"]);
  });

  test("ExecuteStep: the run's id becomes a folder and must be a plain name", () => {
    const request = { instance: "execution-1", grant, step: { name: "a", work: worker() }, runId: "run-1" };
    expect(parseExecuteStep(create(ExecuteStepRequestSchema, request))).toMatchObject({
      ok: true,
      value: { incarnation: "", runId: "run-1", step: { kind: "worker", name: "a" }, trace: undefined },
    });
    for (const runId of ["", "../up", "a/b", ".hidden", "..", "a\\b", "x".repeat(129)]) {
      expect(fieldsOf(parseExecuteStep(create(ExecuteStepRequestSchema, { ...request, runId })))).toEqual(["run_id"]);
    }
    const wrong = create(ExecuteStepRequestSchema, { ...request, step: { name: "a" }, grant: { ...grant, name: "" } });
    expect(fieldsOf(parseExecuteStep(wrong))).toEqual(["grant.name", "step.work"]);
  });

  test("Preempt", () => {
    const item = { preemptionId: "p-1", allocationId: "a-1", epoch: 2n, reason: "why", graceMs: 7 };
    const request = { instance: "process-1", incarnation: "life", items: [item], waitMs: 0 };
    expect(parsePreempt(create(PreemptRequestSchema, request))).toEqual({
      ok: true,
      value: {
        instance: "process-1",
        incarnation: "life",
        waitMs: 0,
        items: [
          { ...item, epoch: 2, amounts: undefined, mode: "SHRINK", claimantPriority: "NORMAL", trace: undefined },
        ],
      },
    });
    const items = [item, { amounts: { memoryBytes: -1n }, mode: 8 as never, claimantPriority: 8 as never }];
    const wrong = create(PreemptRequestSchema, { instance: "", items, waitMs: LIMITS.preemptWaitMsMax + 1 });
    expect(fieldsOf(parsePreempt(wrong))).toEqual([
      "instance",
      "items[1].allocation_id",
      "items[1].amounts.memory_bytes",
      "items[1].claimant_priority",
      "items[1].mode",
      "items[1].preemption_id",
      "wait_ms",
    ]);
    expect(fieldsOf(parsePreempt(create(PreemptRequestSchema, { instance: "p" })))).toEqual(["items"]);
  });

  test("amounts of an answer", () => {
    const message = create(ResourceAmountsSchema, { credits: 5n });
    expect(parseAmounts(message, "returned_total")).toMatchObject({ ok: true, value: { credits: 5 } });
    const wrong = create(ResourceAmountsSchema, { toolCalls: -5n });
    expect(fieldsOf(parseAmounts(wrong, "returned_total"))).toEqual(["returned_total.tool_calls"]);
  });
});
