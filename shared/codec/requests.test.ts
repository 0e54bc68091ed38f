import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { RefusalError } from "#errors";
import {
  CreateSwarmRequestSchema,
  GetAccountsRequestSchema,
  GetSwarmRequestSchema,
  ListSwarmsRequestSchema,
  PreemptRunRequestSchema,
  ResumeRequestSchema,
  RunRoutineRequestSchema,
  StopRunRequestSchema,
  StopSwarmRequestSchema,
  UpdateLimitsRequestSchema,
  WatchRunRequestSchema,
  WriteOffRequestSchema,
} from "#gen/bursar/v1/coordination_service_pb.js";
import { ExecuteStepsRequestSchema, type StepOrderSchema } from "#gen/bursar/v1/execution_service_pb.js";
import { PreemptRequestSchema } from "#gen/bursar/v1/preemption_service_pb.js";
import { ExecuteRoutinesRequestSchema, type RoutineOrderSchema } from "#gen/bursar/v1/process_service_pb.js";
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
  parseResume,
  parseRunRoutine,
  parseStopRun,
  parseStopSwarm,
  parseUpdateLimits,
  parseWatchRun,
  parseWatchUsage,
  parseWriteOff,
} from "./requests.ts";
import {
  parseAmounts,
  parseExecuteRoutines,
  parseExecuteSteps,
  parsePreempt,
  type WorkMessage,
} from "./work-requests.ts";

const fieldsOf = (parsed: Parsed<unknown>): string[] =>
  parsed.ok ? [] : parsed.violations.map(({ field }) => field).sort();

const routine = { name: "main", limits: { maxCredits: 90n, maxToolCalls: 7n }, steps: [{ name: "a", work: worker() }] };

function worker() {
  return { case: "worker", value: { kind: "llm" } } as const;
}

describe("requests of clients", () => {
  test("CreateSwarm", () => {
    const named = { requestId: "r-1", account: "global/research", name: "swarm" };
    const request = { ...named, limits: { maxCredits: 10n }, waitMs: 9 };
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
      value: { ...request, amounts: undefined, mode: "SHRINK", graceMs: 1_000, waitMs: 5_000 },
    });
    const some = create(PreemptRunRequestSchema, { ...request, amounts: { credits: 5n }, mode: 1, waitMs: 1 });
    expect(parsePreemptRun(some)).toMatchObject({
      ok: true,
      value: { amounts: { credits: 5, toolCalls: 0 }, mode: "SHRINK", waitMs: 1 },
    });
    const stop = create(PreemptRunRequestSchema, { ...request, mode: 3, graceMs: 0 });
    expect(parsePreemptRun(stop)).toMatchObject({ ok: true, value: { mode: "STOP", graceMs: 0 } });
    const unfit = { ...request, amounts: { credits: 5n }, mode: 2, graceMs: 5 };
    expect(fieldsOf(parsePreemptRun(create(PreemptRunRequestSchema, unfit)))).toEqual(["amounts", "grace_ms"]);
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

  test("Resume", () => {
    const request = { requestId: "r-1", run: "a/b" };
    expect(parseResume(create(ResumeRequestSchema, request))).toEqual({ ok: true, value: request });
    expect(fieldsOf(parseResume(create(ResumeRequestSchema, {})))).toEqual(["request_id", "run"]);
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

function routineOrder(order: MessageInitShape<typeof RoutineOrderSchema>) {
  const parsed = parseExecuteRoutines(create(ExecuteRoutinesRequestSchema, { orders: [order] }));
  return only(parsed);
}

function stepOrder(order: MessageInitShape<typeof StepOrderSchema>) {
  return only(parseExecuteSteps(create(ExecuteStepsRequestSchema, { orders: [order] })));
}

function only<Order>(parsed: Parsed<WorkMessage<Order>>): Parsed<Order> {
  if (!parsed.ok) return parsed;
  const [item] = parsed.value.orders;
  if (item === undefined) throw new Error("the message has no order");
  return item.order;
}

describe("requests between daemons", () => {
  test("ExecuteRoutines", () => {
    const hello = { instance: "process-1", incarnation: "life", grantorIncarnation: "above" };
    const order = { number: 7, grant, routine, trace: { traceparent } };
    expect(
      parseExecuteRoutines(create(ExecuteRoutinesRequestSchema, { hello, orders: [order], left: [3] })),
    ).toMatchObject({
      ok: true,
      value: {
        hello,
        orders: [
          {
            number: 7,
            order: {
              ok: true,
              value: {
                type: "begin",
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
            },
          },
        ],
        left: [3],
      },
    });
    const strange = create(ExecuteRoutinesRequestSchema, { hello: { grantorIncarnation: "é" } });
    expect(fieldsOf(parseExecuteRoutines(strange))).toEqual(["hello.grantor_incarnation", "hello.instance"]);
  });

  test("an order of a stream of work is wrong alone", () => {
    const orders = [
      { number: 1, routine: {} },
      { number: 2, grant, routine },
    ];
    const parsed = parseExecuteRoutines(create(ExecuteRoutinesRequestSchema, { orders }));
    const [first, second] = parsed.ok ? parsed.value.orders : [];
    expect(first && fieldsOf(first.order)).toEqual([
      "orders[0].grant",
      "orders[0].routine.name",
      "orders[0].routine.steps",
    ]);
    expect(second).toMatchObject({ number: 2, order: { ok: true } });
  });

  test("a message of a stream of work holds so many items and no more", () => {
    const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
    const join = (number: number) => ({ number, grant: { allocationId: "run-1" } });
    const message = (orders: number, left: number) =>
      create(ExecuteStepsRequestSchema, { orders: numbers(orders).map(join), left: numbers(left) });
    expect(parseExecuteSteps(message(LIMITS.streamItemsMax - 2, 2))).toMatchObject({ ok: true });
    expect(fieldsOf(parseExecuteSteps(message(LIMITS.streamItemsMax - 1, 2)))).toEqual(["orders"]);
    expect(fieldsOf(parseExecuteSteps(message(0, LIMITS.streamItemsMax + 1)))).toEqual(["left"]);
  });

  test("orders without work only join, and need no more of the grant than its id", () => {
    const join = { ok: true, value: { type: "join", allocationId: "run-1" } };
    const order = { number: 1, grant: { allocationId: "run-1" } };
    expect(routineOrder(order)).toEqual(join);
    expect(stepOrder(order)).toEqual(join);
    expect(fieldsOf(stepOrder({}))).toEqual(["orders[0].grant"]);
    expect(fieldsOf(stepOrder({ grant: {} }))).toEqual(["orders[0].grant.allocation_id"]);
  });

  test("ExecuteSteps: the run's id becomes a folder and must be a plain name", () => {
    const order = { grant, step: { name: "a", work: worker() }, runId: "run-1" };
    expect(stepOrder(order)).toMatchObject({
      ok: true,
      value: { runId: "run-1", step: { kind: "worker", name: "a" }, trace: undefined },
    });
    for (const runId of ["", "../up", "a/b", ".hidden", "..", "a\\b", "x".repeat(129)]) {
      expect(fieldsOf(stepOrder({ ...order, runId }))).toEqual(["orders[0].run_id"]);
    }
    const wrong = { ...order, step: { name: "a" }, grant: { ...grant, name: "" } };
    expect(fieldsOf(stepOrder(wrong))).toEqual(["orders[0].grant.name", "orders[0].step.work"]);
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
        items: [{ ...item, epoch: 2, amounts: undefined, mode: "SHRINK", trace: undefined }],
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

describe("UpdateLimits", () => {
  const request = (overrides?: object) =>
    create(UpdateLimitsRequestSchema, { requestId: "r", allocationId: "global/a", ...(overrides && { overrides }) });

  test("says which limits change; zero is a limit, and what is absent stays", () => {
    expect(parseUpdateLimits(request())).toEqual({
      ok: true,
      value: { requestId: "r", allocation: "global/a", limits: {} },
    });
    const overrides = { maxCredits: 0n, maxConcurrentBranches: 4n, maxDurationMs: 60_000n, priorityBonus: 0n };
    expect(parseUpdateLimits(request(overrides))).toMatchObject({
      ok: true,
      value: { limits: { credits: 0, branches: 4, durationMs: 60_000, priorityBonus: 0 } },
    });
  });

  test("refuses each field that is out of range by its name", () => {
    const wrong = { maxToolCalls: -1n, maxMemoryBytes: 1n << 60n, emergencyReserve: -5n };
    const fields = ["overrides.emergency_reserve", "overrides.max_memory_bytes", "overrides.max_tool_calls"];
    expect(fieldsOf(parseUpdateLimits(request(wrong)))).toEqual(fields);
  });
});
