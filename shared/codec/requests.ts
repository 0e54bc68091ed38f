/** Requests of CoordinationService and WatchService as plain values, or every field of them that is wrong. */
import type { Access, Amounts, Limits, Policy, PreemptionMode, Priority, StrategyName } from "#budget";
import type {
  CreateSwarmRequest,
  GetAccountsRequest,
  GetSwarmRequest,
  ListSwarmsRequest,
  PreemptRunRequest,
  ResumeRequest,
  RunRoutineRequest,
  StopRunRequest,
  StopSwarmRequest,
  UpdateLimitsRequest,
  WatchRunRequest,
  WriteOffRequest,
} from "#gen/bursar/v1/coordination_service_pb.js";
import type { WriteOffStepRequest } from "#gen/bursar/v1/process_service_pb.js";
import type { WatchDecisionsRequest, WatchUsageRequest, WhyRequest } from "#gen/bursar/v1/watch_service_pb.js";
import { LIMITS } from "#std";
import type { RoutineSpec } from "./document/swarm-document.ts";
import { preemptionModes, priorities, strategies } from "./enum-names.ts";
import { policyFromProto } from "./messages/allocation.ts";
import { amountsFromProto, overridesFromProto, wantedLimitsFromProto } from "./messages/amounts.ts";
import { accessFromProto } from "./messages/named-access.ts";
import { namedStrategy } from "./messages/named-strategy.ts";
import { type ShareTerms, shareTermsFromProto } from "./messages/share-terms.ts";
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
  /** How it takes part where its account divides by weight. */
  readonly share?: ShareTerms;
  /** The reservation of its account that it is met out of. */
  readonly reservationId?: string;
  /** How long it may wait for room. */
  readonly waitMs: number;
  /** The strategy that decides about it, where its account lets a request choose. */
  readonly requestStrategy?: StrategyName;
}

export function parseCreateSwarm(message: CreateSwarmRequest): Parsed<CreateSwarmSpec> {
  const check = new FieldCheck();
  const named = {
    requestId: check.id("request_id", message.requestId),
    account: check.idOrPath("account", message.account),
    name: check.name("name", message.name),
  };
  const limits = wantedLimitsFromProto(check.inside("limits"), message.limits);
  const spec: CreateSwarmSpec = {
    ...named,
    limits,
    priority: check.choice("priority", message.priority, priorities, "NORMAL"),
    policy: policyFromProto(check.inside("policy"), message.policy),
    ...shareTermsFromProto(check.inside("share"), message.share, limits),
    ...reservationOf(check, message.reservationId),
    waitMs: message.waitMs,
    ...namedStrategy(check, "requestStrategy", message),
  };
  return check.finish(spec);
}

/** The reservation that a request is met out of; the empty text is none. */
function reservationOf(check: FieldCheck, reservationId: string): { readonly reservationId?: string } {
  return reservationId === "" ? {} : { reservationId: check.id("reservation_id", reservationId) };
}

export interface RunRoutineSpec {
  readonly requestId: string;
  readonly swarmId: string;
  readonly routine: RoutineSpec;
  /** Of the run: those of the request, and what it leaves out from the routine. */
  readonly limits: Limits;
  readonly priority: Priority;
  readonly waitMs: number;
  /** How it takes part where its swarm divides by weight: as the request says, or the routine. */
  readonly share?: ShareTerms;
  /** Names of tools and resources that it holds: as the request says, or the routine. */
  readonly access?: readonly Access[];
  /** The reservation of its swarm that it is met out of. */
  readonly reservationId?: string;
  /** The strategy that decides about it, where its swarm lets a request choose: as the request says, or the routine. */
  readonly requestStrategy?: StrategyName;
}

export function parseRunRoutine(message: RunRoutineRequest): Parsed<RunRoutineSpec> {
  const check = new FieldCheck();
  const routine = check.present("routine", message.routine, routineFromProto);
  const limits = { ...routine?.limits, ...wantedLimitsFromProto(check.inside("limits"), message.limits) };
  return check.finishWith<RunRoutineSpec, "routine">({
    requestId: check.id("request_id", message.requestId),
    swarmId: check.id("swarm_id", message.swarmId),
    routine,
    limits: { ...routine?.limits, ...limits },
    priority: check.choice("priority", message.priority, priorities, "NORMAL"),
    waitMs: message.waitMs,
    ...(routine?.share && { share: routine.share }),
    ...shareTermsFromProto(check.inside("share"), message.share, limits),
    ...(routine?.access && { access: routine.access }),
    ...accessFromProto(check.inside("access"), message.access),
    ...reservationOf(check, message.reservationId),
    ...(routine?.requestStrategy && { requestStrategy: routine.requestStrategy }),
    ...namedStrategy(check, "requestStrategy", message),
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
  /** For STOP: time to end in peace before force. */
  readonly graceMs: number;
  /** How long to stream progress at most. */
  readonly waitMs: number;
}

export function parsePreemptRun(message: PreemptRunRequest): Parsed<PreemptRunSpec> {
  const check = new FieldCheck();
  const { amounts, waitMs, graceMs = LIMITS.codeGraceMs } = message;
  const mode = check.choice("mode", message.mode, preemptionModes, "SHRINK");
  if (amounts && mode !== "SHRINK") check.refuse("amounts", `is for SHRINK; ${mode} takes all that can be had`);
  if (message.graceMs !== undefined && mode !== "STOP") check.refuse("grace_ms", "is for STOP");
  const spec: PreemptRunSpec = {
    preemptionId: check.id("preemption_id", message.preemptionId),
    runId: check.id("run_id", message.runId),
    amounts: amounts && amountsFromProto(check.inside("amounts"), amounts),
    mode,
    reason: check.text("reason", message.reason, LIMITS.reasonCharsMax),
    graceMs: check.whole("grace_ms", graceMs, { max: LIMITS.graceMsMax }),
    waitMs: waitMs === 0 ? LIMITS.preemptWaitMs : check.whole("wait_ms", waitMs, { max: LIMITS.preemptWaitMsMax }),
  };
  return check.finish(spec);
}

export interface ResumeSpec {
  readonly requestId: string;
  /** Id or path. */
  readonly run: string;
}

export function parseResume({ requestId, run }: ResumeRequest): Parsed<ResumeSpec> {
  const check = new FieldCheck();
  return check.finish({ requestId: check.id("request_id", requestId), run: check.idOrPath("run", run) });
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

export interface UpdateLimitsSpec {
  readonly requestId: string;
  /** Id or path. */
  readonly allocation: string;
  /** Those to be changed; none: they are only asked for. */
  readonly limits: Limits;
  /** Another strategy; INHERITED: as what is above says. Absent: as it is. */
  readonly strategy?: StrategyName | "INHERITED";
}

export function parseUpdateLimits(message: UpdateLimitsRequest): Parsed<UpdateLimitsSpec> {
  const check = new FieldCheck();
  const spec: UpdateLimitsSpec = {
    requestId: check.id("request_id", message.requestId),
    allocation: check.idOrPath("allocation_id", message.allocationId),
    limits: overridesFromProto(check.inside("overrides"), message.overrides),
    ...(message.strategy !== undefined && {
      strategy: check.optionalChoice("strategy", message.strategy, strategies) ?? "INHERITED",
    }),
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

export interface WatchDecisionsSpec {
  /** Empty: everything that the daemon decides. */
  readonly allocationId: string;
  readonly below: boolean;
}

export function parseWatchDecisions({ allocationId, below }: WatchDecisionsRequest): Parsed<WatchDecisionsSpec> {
  const check = new FieldCheck();
  return check.finish({ allocationId: check.optionalId("allocation_id", allocationId) ?? "", below });
}

export function parseWhy({ subject }: WhyRequest): Parsed<{ readonly subject: string }> {
  const check = new FieldCheck();
  return check.finish({ subject: check.idOrPath("subject", subject) });
}

function depthOf(check: FieldCheck, depth: number): number {
  return check.whole("depth", depth, { max: LIMITS.treeDepthMax });
}
