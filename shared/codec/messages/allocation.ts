/** Policies, conflicts, leases, and a grant as it is handed from daemon to daemon. */
import {
  type Conflict,
  type InheritedPolicy,
  type Policy,
  type PreemptionPolicy,
  percentsProblem,
  preemptionProblems,
  type ShadowPolicy,
  type ShareStanding,
  type StrategyInForce,
  shadowViolations,
} from "#budget";
import type {
  Conflict as ConflictMessage,
  Grant,
  InheritedPolicy as InheritedMessage,
  Lease,
  Policy as PolicyMessage,
  PreemptionRules,
  ShareStanding as ShareStandingMessage,
} from "#gen/bursar/v1/allocation_pb.js";
import type { GrantHandover, LeaseTerms } from "#ports";
import { LIMITS } from "#std";
import {
  allocationKinds,
  conflictTypes,
  priorities,
  strategies,
  strategySources,
  worstPreemptions,
} from "../enum-names.ts";
import type { FieldCheck } from "../parse/field-check.ts";
import { pooledOf } from "../pooled.ts";
import { displayAmount, displayMs, limitsFromProto, limitsToProto, RESOURCE_FIELDS } from "./amounts.ts";
import { accessConflictFromProto, accessConflictToProto, accessMessage, accessTold } from "./named-access.ts";

export function policyToProto(policy: Policy): PolicyMessage {
  const { strategy, requestMayChoose = false, queueLengthMax = 0, queueWaitMsMax = 0, agingStepMs = 0 } = policy;
  return {
    $typeName: "bursar.v1.Policy",
    strategy: strategy === undefined ? 0 : strategies.numberOf[strategy],
    requestMayChoose,
    queueLengthMax,
    queueWaitMsMax,
    agingStepMs,
    lowBudgetPercents: [...(policy.lowBudgetPercents ?? [])],
    ...(policy.preemption && { preemption: preemptionToProto(policy.preemption) }),
    ...(policy.shadow && { shadow: policyToProto(policy.shadow) }),
  };
}

function preemptionToProto({ worst, ...rules }: PreemptionPolicy): PreemptionRules {
  return {
    $typeName: "bursar.v1.PreemptionRules",
    worst: worst === undefined ? 0 : worstPreemptions.numberOf[worst],
    ...rules,
  };
}

/** An absent message says nothing: all of it is inherited or has its default. */
export function policyFromProto(check: FieldCheck, message: PolicyMessage | undefined): Policy {
  if (message === undefined) return {};
  const strategy = check.optionalChoice("strategy", message.strategy, strategies);
  const { requestMayChoose, queueLengthMax, queueWaitMsMax } = message;
  const { agingStepMsMin: min, agingStepMsMax: max } = LIMITS;
  return {
    ...(strategy === undefined ? {} : { strategy }),
    ...(requestMayChoose ? { requestMayChoose } : {}),
    ...(queueLengthMax === 0 ? {} : { queueLengthMax }),
    ...(queueWaitMsMax === 0 ? {} : { queueWaitMsMax }),
    ...(message.agingStepMs === 0
      ? {}
      : { agingStepMs: check.whole("aging_step_ms", message.agingStepMs, { min, max }) }),
    ...percentsFromProto(check, message.lowBudgetPercents),
    ...(message.preemption && { preemption: preemptionFromProto(check.inside("preemption"), message.preemption) }),
    ...(message.shadow && { shadow: shadowFromProto(check, message.shadow) }),
  };
}

function shadowFromProto(above: FieldCheck, message: PolicyMessage): ShadowPolicy {
  const check = above.inside("shadow");
  // A shadow may not have its own: what stands in there is not looked at.
  const { shadow: inner, ...stated } = message;
  const shadow = { ...policyFromProto(check, stated), ...(inner && { shadow: {} }) };
  for (const { field, message: problem } of shadowViolations(shadow)) {
    if (field === "") above.refuse("shadow", problem);
    else check.refuse(field, problem);
  }
  return shadow;
}

function preemptionFromProto(check: FieldCheck, message: PreemptionRules): PreemptionPolicy {
  const worst = check.optionalChoice("worst", message.worst, worstPreemptions);
  const { protectMs, coolDownMs, victimsPerRoundMax, worthPercentMin, graceMs } = message;
  const rules: PreemptionPolicy = {
    ...(worst === undefined ? {} : { worst }),
    ...(protectMs === undefined ? {} : { protectMs }),
    ...(coolDownMs === undefined ? {} : { coolDownMs }),
    ...(victimsPerRoundMax === undefined ? {} : { victimsPerRoundMax }),
    ...(worthPercentMin === undefined ? {} : { worthPercentMin }),
    ...(graceMs === undefined ? {} : { graceMs }),
  };
  for (const [field, problem] of preemptionProblems(rules)) check.refuse(field, problem);
  return rules;
}

export function inheritedToProto(inherited: InheritedPolicy): InheritedMessage {
  const { strategy, strategyPath = "", agingStepMs = 0, lowBudgetPercents = [], preemption } = inherited;
  return {
    $typeName: "bursar.v1.InheritedPolicy",
    strategy: strategy === undefined ? 0 : strategies.numberOf[strategy],
    strategyPath,
    agingStepMs,
    lowBudgetPercents: [...lowBudgetPercents],
    ...(preemption && { preemption: preemptionToProto(preemption) }),
  };
}

/** To be spread into what says it, if it does. */
export function inheritedFromProto(
  check: FieldCheck,
  message: InheritedMessage | undefined,
): { readonly inherited?: InheritedPolicy } {
  if (message === undefined) return {};
  const inside = check.inside("inherited");
  const strategy = inside.optionalChoice("strategy", message.strategy, strategies);
  const { agingStepMsMin: min, agingStepMsMax: max } = LIMITS;
  const { strategyPath, agingStepMs, preemption } = message;
  const inherited = {
    ...(strategy === undefined ? {} : { strategy }),
    ...(strategyPath === "" ? {} : { strategyPath: inside.idOrPath("strategy_path", strategyPath) }),
    ...(agingStepMs === 0 ? {} : { agingStepMs: inside.whole("aging_step_ms", agingStepMs, { min, max }) }),
    ...percentsFromProto(inside, message.lowBudgetPercents),
    ...(preemption && { preemption: preemptionFromProto(inside.inside("preemption"), preemption) }),
  };
  return { inherited };
}

function percentsFromProto(check: FieldCheck, percents: readonly number[]): Pick<Policy, "lowBudgetPercents"> {
  if (percents.length === 0) return {};
  const problem = percentsProblem(percents);
  if (problem !== undefined) check.refuse("low_budget_percents", problem);
  return { lowBudgetPercents: percents };
}

export function conflictToProto(conflict: Conflict): ConflictMessage {
  return {
    $typeName: "bursar.v1.Conflict",
    type: conflictTypes.numberOf[conflict.conflict],
    resource: RESOURCE_FIELDS[conflict.resource],
    ancestorId: conflict.ancestorId,
    ancestorPath: conflict.ancestorPath,
    wanted: displayAmount(conflict.wanted),
    available: displayAmount(conflict.available),
    debt: displayAmount(conflict.debt),
    holders: conflict.holders.map(({ id, path, amount }) => ({
      $typeName: "bursar.v1.Holder",
      id,
      path,
      amount: displayAmount(amount),
    })),
    never: conflict.never,
    retryAfterMs: displayMs(conflict.retryAfterMs),
    position: conflict.position,
    expectedWaitMs: displayMs(conflict.expectedWaitMs),
    ...strategyToProto(conflict.strategy),
    waitedMs: displayMs(conflict.waitedMs ?? 0),
    ...(conflict.share && { share: shareToProto(conflict.share) }),
    ...(conflict.access && { access: accessConflictToProto(conflict.access) }),
  };
}

function shareToProto({ least, most, weight }: ShareStanding): ShareStandingMessage {
  return { $typeName: "bursar.v1.ShareStanding", least: displayAmount(least), most: displayAmount(most), weight };
}

/** The three fields that say which strategy decides and who named it. */
export function strategyToProto(
  strategy: StrategyInForce | undefined,
): Pick<ConflictMessage, "strategy" | "strategySource" | "strategyPath"> {
  if (!strategy) return { strategy: 0, strategySource: 0, strategyPath: "" };
  const { name, from, path: strategyPath } = strategy;
  return { strategy: strategies.numberOf[name], strategySource: strategySources.numberOf[from], strategyPath };
}

/** What this version does not know is left out. */
function strategyFromProto({ strategy, strategySource, strategyPath: path }: ConflictMessage) {
  const name = strategies.nameOf(strategy);
  const from = strategySources.nameOf(strategySource);
  return name && from ? { strategy: { name, from, path } } : {};
}

function shareFromProto(check: FieldCheck, { least, most, weight }: ShareStandingMessage): ShareStanding {
  return { least: check.count("share.least", least), most: check.count("share.most", most), weight };
}

const FIELD_RESOURCES: ReadonlyMap<string, Conflict["resource"]> = new Map(
  (Object.keys(RESOURCE_FIELDS) as Conflict["resource"][]).map((resource) => [RESOURCE_FIELDS[resource], resource]),
);

export function conflictFromProto(check: FieldCheck, message: ConflictMessage): Conflict {
  const resource = FIELD_RESOURCES.get(message.resource);
  if (resource === undefined) check.refuse("resource", `must be one of ${[...FIELD_RESOURCES.keys()].join(", ")}`);
  return {
    conflict: check.choice("type", message.type, conflictTypes),
    resource: resource ?? "credits",
    ancestorId: message.ancestorId,
    ancestorPath: message.ancestorPath,
    wanted: check.count("wanted", message.wanted),
    available: check.count("available", message.available),
    debt: check.count("debt", message.debt),
    holders: message.holders.map(({ id, path, amount }, index) => ({
      id,
      path,
      amount: check.at("holders", index).count("amount", amount),
    })),
    never: message.never,
    retryAfterMs: message.retryAfterMs,
    position: message.position,
    expectedWaitMs: message.expectedWaitMs,
    ...strategyFromProto(message),
    ...(message.waitedMs === 0 ? {} : { waitedMs: message.waitedMs }),
    ...(message.share && { share: shareFromProto(check, message.share) }),
    ...(message.access && { access: accessConflictFromProto(message.access) }),
  };
}

export function grantToProto(grant: GrantHandover): Grant {
  const { deadlineLeftMs, epoch, leaseTtlMs, holderMarkMs } = grant;
  const message: Grant = {
    $typeName: "bursar.v1.Grant",
    allocationId: grant.allocationId,
    path: grant.path,
    depth: grant.depth,
    name: grant.name,
    kind: allocationKinds.numberOf[grant.kind],
    limits: limitsToProto(grant.limits),
    priority: priorities.numberOf[grant.priority],
    weight: grant.weight,
    policy: policyToProto(grant.policy),
    token: grant.token ?? "",
    lease: leaseToProto({ epoch, ttlMs: leaseTtlMs }),
    pooledCredits: grant.pooled.includes("credits"),
    pooledToolCalls: grant.pooled.includes("toolCalls"),
  };
  if (grant.access) message.access = accessMessage(grant.access);
  if (grant.policy.inherited) message.inherited = inheritedToProto(grant.policy.inherited);
  if (deadlineLeftMs !== undefined) message.deadlineLeftMs = BigInt(Math.max(0, Math.floor(deadlineLeftMs)));
  if (holderMarkMs !== undefined) message.holderMarkMs = BigInt(Math.floor(holderMarkMs));
  return message;
}

export function grantFromProto(check: FieldCheck, message: Grant): GrantHandover {
  const { deadlineLeftMs, holderMarkMs, pooledCredits, pooledToolCalls } = message;
  const lease = check.present("lease", message.lease, leaseFromProto);
  return {
    allocationId: check.id("allocation_id", message.allocationId),
    path: check.idOrPath("path", message.path),
    depth: check.whole("depth", message.depth, { max: LIMITS.treeDepthMax }),
    name: check.name("name", message.name),
    kind: check.choice("kind", message.kind, allocationKinds),
    limits: limitsFromProto(check.inside("limits"), message.limits),
    pooled: pooledOf({ credits: pooledCredits, toolCalls: pooledToolCalls }),
    priority: check.choice("priority", message.priority, priorities, "NORMAL"),
    weight: weightFromProto(check, message.weight),
    policy: {
      ...policyFromProto(check.inside("policy"), message.policy),
      ...inheritedFromProto(check, message.inherited),
    },
    token: check.optionalId("token", message.token),
    epoch: lease?.epoch ?? 0,
    leaseTtlMs: lease?.ttlMs ?? 0,
    holderMarkMs: holderMarkMs === undefined ? undefined : check.count("holder_mark_ms", holderMarkMs),
    deadlineLeftMs: deadlineLeftMs === undefined ? undefined : check.durationMs("deadline_left_ms", deadlineLeftMs),
    ...accessTold(check, message.access),
  };
}

export function leaseToProto({ epoch, ttlMs }: LeaseTerms): Lease {
  return { $typeName: "bursar.v1.Lease", epoch: BigInt(epoch), ttlMs: Math.floor(ttlMs) };
}

export function leaseFromProto(check: FieldCheck, { epoch, ttlMs }: Lease): LeaseTerms {
  return { epoch: check.count("epoch", epoch), ttlMs };
}

/** 0 means 1. */
export function weightFromProto(check: FieldCheck, weight: number): number {
  return weight === 0 ? 1 : check.whole("weight", weight, { max: LIMITS.weightMax });
}
