/** Requests of CoordinationService and WatchService as plain values, or every field of them that is wrong. */
import type { Amounts, Limits, Policy, PreemptionMode, Priority } from "#budget";
import type {
  CreateSwarmRequest,
  GetAccountsRequest,
  GetSwarmRequest,
  ListSwarmsRequest,
  PreemptRunRequest,
  RunRoutineRequest,
  StopRunRequest,
  StopSwarmRequest,
  WatchRunRequest,
  WriteOffRequest,
} from "#gen/bursar/v1/coordination_service_pb.js";
import type { WriteOffStepRequest } from "#gen/bursar/v1/process_service_pb.js";
import type { WatchUsageRequest } from "#gen/bursar/v1/watch_service_pb.js";
import { LIMITS } from "#std";
import type { RoutineSpec } from "./document/swarm-document.ts";
import { preemptionModes, priorities } from "./enum-names.ts";
import { policyFromProto } from "./messages/allocation.ts";
import { amountsFromProto, wantedLimitsFromProto } from "./messages/amounts.ts";
import { FieldCheck } from "./parse/field-check.ts";
import type { Parsed } from "./parse/parsed.ts";
import { routineFromProto } from "./routine.ts";

export interface CreateSwarmSpec {
  readonly requestId: string;
  /** Path or id of the account that pays. */
  readonly account: string;
  readonly name: string;
  readonly limits: Limits;
  readonly priority: Priority;
  readonly policy: Policy;
}

export function parseCreateSwarm(message: CreateSwarmRequest): Parsed<CreateSwarmSpec> {
  const check = new FieldCheck();
  const spec: CreateSwarmSpec = {
    requestId: check.id("request_id", message.requestId),
    account: check.idOrPath("account", message.account),
    name: check.name("name", message.name),
    limits: wantedLimitsFromProto(check.inside("limits"), message.limits),
    priority: check.choice("priority", message.priority, priorities, "NORMAL"),
    policy: policyFromProto(check.inside("policy"), message.policy),
  };
  return check.finish(spec);
}

export interface RunRoutineSpec {
  readonly requestId: string;
  readonly swarmId: string;
  readonly routine: RoutineSpec;
  /** Of the run: those of the request, and what it leaves out from the routine. */
  readonly limits: Limits;
  readonly priority: Priority;
  readonly waitMs: number;
}

export function parseRunRoutine(message: RunRoutineRequest): Parsed<RunRoutineSpec> {
  const check = new FieldCheck();
  const routine = check.present("routine", message.routine, routineFromProto);
  const limits = wantedLimitsFromProto(check.inside("limits"), message.limits);
  return check.finishWith<RunRoutineSpec, "routine">({
    requestId: check.id("request_id", message.requestId),
    swarmId: check.id("swarm_id", message.swarmId),
    routine,
    limits: { ...routine?.limits, ...limits },
    priority: check.choice("priority", message.priority, priorities, "NORMAL"),
    waitMs: message.waitMs,
  });
}

export function parseWatchRun(message: WatchRunRequest): Parsed<{ readonly runId: string }> {
  const check = new FieldCheck();
  return check.finish({ runId: check.id("run_id", message.runId) });
}

export interface GetSwarmSpec {
  /** Id or path. */
  readonly swarm: string;
  /** Levels below; 0 means all. */
  readonly depth: number;
}

export function parseGetSwarm({ swarm, depth }: GetSwarmRequest): Parsed<GetSwarmSpec> {
  const check = new FieldCheck();
  return check.finish({ swarm: check.idOrPath("swarm", swarm), depth: depthOf(check, depth) });
}

export interface ListSwarmsSpec {
  /** Path or id; empty: all accounts. */
  readonly account: string;
  readonly pageSize: number;
  /** Empty: from the beginning. */
  readonly pageToken: string;
}

export function parseListSwarms({ account, pageSize, pageToken }: ListSwarmsRequest): Parsed<ListSwarmsSpec> {
  const check = new FieldCheck();
  const spec: ListSwarmsSpec = {
    account: account === "" ? "" : check.idOrPath("account", account),
    pageSize:
      pageSize === 0 ? LIMITS.pageSize : check.whole("page_size", pageSize, { min: 1, max: LIMITS.pageSizeMax }),
    pageToken: check.optionalId("page_token", pageToken) ?? "",
  };
  return check.finish(spec);
}

export function parseGetAccounts({ depth }: GetAccountsRequest): Parsed<{ readonly depth: number }> {
  const check = new FieldCheck();
  return check.finish({ depth: depthOf(check, depth) });
}

export interface PreemptRunSpec {
  readonly preemptionId: string;
  readonly runId: string;
  /** Absent: all that can be had. */
  readonly amounts: Amounts | undefined;
  readonly mode: PreemptionMode;
  readonly reason: string;
  /** How long to stream progress at most. */
  readonly waitMs: number;
}

export function parsePreemptRun(message: PreemptRunRequest): Parsed<PreemptRunSpec> {
  const check = new FieldCheck();
  const { amounts, waitMs } = message;
  const spec: PreemptRunSpec = {
    preemptionId: check.id("preemption_id", message.preemptionId),
    runId: check.id("run_id", message.runId),
    amounts: amounts && amountsFromProto(check.inside("amounts"), amounts),
    mode: check.choice("mode", message.mode, preemptionModes, "SHRINK"),
    reason: check.text("reason", message.reason, LIMITS.reasonCharsMax),
    waitMs: waitMs === 0 ? LIMITS.preemptWaitMs : check.whole("wait_ms", waitMs, { max: LIMITS.preemptWaitMsMax }),
  };
  return check.finish(spec);
}

export interface StopSwarmSpec {
  /** Id or path. */
  readonly swarm: string;
  readonly reason: string;
  /** How long to wait for its runs to end. */
  readonly waitMs: number;
}

export function parseStopSwarm(request: StopSwarmRequest): Parsed<StopSwarmSpec> {
  const check = new FieldCheck();
  const spec: StopSwarmSpec = {
    swarm: check.idOrPath("swarm", request.swarm),
    ...stopOf(check, request),
  };
  return check.finish(spec);
}

function stopOf(check: FieldCheck, { reason, waitMs }: Pick<StopRunRequest, "reason" | "waitMs">) {
  return {
    reason: check.text("reason", reason, LIMITS.reasonCharsMax),
    waitMs: waitMs === 0 ? LIMITS.stopWaitMs : check.whole("wait_ms", waitMs, { max: LIMITS.stopWaitMsMax }),
  };
}

export interface StopRunSpec {
  /** Id or path. */
  readonly run: string;
  readonly reason: string;
  /** How long to wait for it to end. */
  readonly waitMs: number;
}

export function parseStopRun(request: StopRunRequest): Parsed<StopRunSpec> {
  const check = new FieldCheck();
  const spec: StopRunSpec = {
    run: check.idOrPath("run", request.run),
    ...stopOf(check, request),
  };
  return check.finish(spec);
}

export interface WriteOffSpec {
  readonly requestId: string;
  /** The allocation whose holder is silent: id or path. */
  readonly allocation: string;
  readonly reason: string;
}

export function parseWriteOff(message: WriteOffRequest | WriteOffStepRequest): Parsed<WriteOffSpec> {
  const check = new FieldCheck();
  const spec: WriteOffSpec = {
    requestId: check.id("request_id", message.requestId),
    allocation: check.idOrPath("allocation_id", message.allocationId),
    reason: check.reason("reason", message.reason),
  };
  return check.finish(spec);
}

export interface WatchUsageSpec {
  /** Empty: everything that the daemon owns. */
  readonly allocationId: string;
  readonly intervalMs: number;
  /** Levels below; 0 means all. */
  readonly depth: number;
}

export function parseWatchUsage({ allocationId, intervalMs, depth }: WatchUsageRequest): Parsed<WatchUsageSpec> {
  const check = new FieldCheck();
  const range = { min: LIMITS.watchIntervalMsMin, max: LIMITS.watchIntervalMsMax };
  const spec: WatchUsageSpec = {
    allocationId: check.optionalId("allocation_id", allocationId) ?? "",
    intervalMs: intervalMs === 0 ? LIMITS.watchIntervalMs : check.whole("interval_ms", intervalMs, range),
    depth: depthOf(check, depth),
  };
  return check.finish(spec);
}

function depthOf(check: FieldCheck, depth: number): number {
  return check.whole("depth", depth, { max: LIMITS.treeDepthMax });
}
