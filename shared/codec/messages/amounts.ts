/** Amounts, limits and requirements: the engine's values beside ResourceAmounts, ResourceLimits and ResourceRequirements. */
import { type Amounts, amountsOf, type Conflict, type Limits, NOTHING, type Parts } from "#budget";
import type {
  ResourceAmounts,
  ResourceLimitOverrides,
  ResourceLimits,
  ResourceRequirements,
  TrancheAmounts,
} from "#gen/bursar/v1/resources_pb.js";
import { LIMITS } from "#std";
import type { FieldCheck } from "../parse/field-check.ts";

/** A resource by its field name in ResourceAmounts, and what else may be lacking. */
export const RESOURCE_FIELDS = Object.freeze({
  credits: "credits",
  toolCalls: "tool_calls",
  branches: "concurrent_branches",
  memoryBytes: "memory_bytes",
  duration: "duration",
  access: "access",
}) satisfies Readonly<Record<Conflict["resource"], string>>;

export function amountsToProto(amounts: Amounts): ResourceAmounts {
  return {
    $typeName: "bursar.v1.ResourceAmounts",
    credits: BigInt(amounts.credits),
    toolCalls: BigInt(amounts.toolCalls),
    concurrentBranches: BigInt(amounts.branches),
    memoryBytes: BigInt(amounts.memoryBytes),
  };
}

/** An absent message is nothing of each. */
export function amountsFromProto(check: FieldCheck, message: ResourceAmounts | undefined): Amounts {
  if (message === undefined) return NOTHING;
  return {
    credits: check.amount("credits", message.credits),
    toolCalls: check.amount("tool_calls", message.toolCalls),
    branches: check.amount("concurrent_branches", message.concurrentBranches),
    memoryBytes: check.amount("memory_bytes", message.memoryBytes),
  };
}

export function limitsToProto(limits: Limits): ResourceLimits {
  const message: ResourceLimits = {
    $typeName: "bursar.v1.ResourceLimits",
    priorityBonus: BigInt(limits.priorityBonus ?? 0),
    emergencyReserve: BigInt(limits.emergencyReserve ?? 0),
    wrapUpReserve: BigInt(limits.wrapUpReserve ?? 0),
  };
  if (limits.credits !== undefined) message.maxCredits = BigInt(limits.credits);
  if (limits.durationMs !== undefined) message.maxDurationMs = BigInt(limits.durationMs);
  if (limits.branches !== undefined) message.maxConcurrentBranches = BigInt(limits.branches);
  if (limits.memoryBytes !== undefined) message.maxMemoryBytes = BigInt(limits.memoryBytes);
  if (limits.toolCalls !== undefined) message.maxToolCalls = BigInt(limits.toolCalls);
  return message;
}

/** Of the parts carved inside credits so much each. */
export function partsMessage({ bonus, emergency, wrapUp }: Parts): TrancheAmounts {
  return {
    $typeName: "bursar.v1.TrancheAmounts",
    priorityBonus: BigInt(bonus),
    emergencyReserve: BigInt(emergency),
    wrapUpReserve: BigInt(wrapUp),
  };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** An absent message limits nothing. */
export function limitsFromProto(check: FieldCheck, message: ResourceLimits | undefined): Limits {
  const limits: Writable<Limits> = {};
  if (message === undefined) return limits;
  const { maxCredits, maxDurationMs, maxConcurrentBranches, maxMemoryBytes, maxToolCalls } = message;
  if (maxCredits !== undefined) limits.credits = check.amount("max_credits", maxCredits);
  if (maxToolCalls !== undefined) limits.toolCalls = check.amount("max_tool_calls", maxToolCalls);
  if (maxConcurrentBranches !== undefined)
    limits.branches = check.amount("max_concurrent_branches", maxConcurrentBranches);
  if (maxMemoryBytes !== undefined) limits.memoryBytes = check.amount("max_memory_bytes", maxMemoryBytes);
  if (maxDurationMs !== undefined) limits.durationMs = check.durationMs("max_duration_ms", maxDurationMs);
  const { priorityBonus, emergencyReserve, wrapUpReserve } = message;
  if (priorityBonus !== 0n) limits.priorityBonus = check.amount("priority_bonus", priorityBonus);
  if (emergencyReserve !== 0n) limits.emergencyReserve = check.amount("emergency_reserve", emergencyReserve);
  if (wrapUpReserve !== 0n) limits.wrapUpReserve = check.amount("wrap_up_reserve", wrapUpReserve);
  return limits;
}

/** Limits to be changed; what is absent stays as it is, also of the parts carved inside the credits. */
export function overridesFromProto(check: FieldCheck, message: ResourceLimitOverrides | undefined): Limits {
  if (message === undefined) return {};
  const { $typeName: _, $unknown: __, priorityBonus, emergencyReserve, wrapUpReserve, ...rest } = message;
  const noParts = { priorityBonus: 0n, emergencyReserve: 0n, wrapUpReserve: 0n };
  const none = { $typeName: "bursar.v1.ResourceLimits", ...noParts } as const;
  const limits: Writable<Limits> = limitsFromProto(check, { ...none, ...rest });
  if (priorityBonus !== undefined) limits.priorityBonus = check.amount("priority_bonus", priorityBonus);
  if (emergencyReserve !== undefined) limits.emergencyReserve = check.amount("emergency_reserve", emergencyReserve);
  if (wrapUpReserve !== undefined) limits.wrapUpReserve = check.amount("wrap_up_reserve", wrapUpReserve);
  return limits;
}

/** Limits that somebody asks for: the parts carved inside the credits must fit into them. */
export function wantedLimitsFromProto(check: FieldCheck, message: ResourceLimits | undefined): Limits {
  const limits = limitsFromProto(check, message);
  if (message === undefined) return limits;
  const { maxCredits = 0n, priorityBonus, emergencyReserve, wrapUpReserve } = message;
  if (maxCredits >= 0n && priorityBonus + emergencyReserve + wrapUpReserve > maxCredits) {
    const last = emergencyReserve === 0n ? "priority_bonus" : "emergency_reserve";
    check.refuse(
      wrapUpReserve === 0n ? last : "wrap_up_reserve",
      "priority_bonus, emergency_reserve and wrap_up_reserve are parts of max_credits; together they must fit into it",
    );
  }
  return limits;
}

/** The least of a wish that names none: all of its consumables. */
export function allOf(limits: Limits): Amounts {
  return amountsOf({ credits: limits.credits, toolCalls: limits.toolCalls });
}

export interface Needs {
  readonly limits: Limits;
  /** Consumables only. */
  readonly min: Amounts;
}

/** What is asked for is the most that is needed; zero of it means none, but for time, where it means the parent's deadline. */
export function requirementsFromProto(check: FieldCheck, message: ResourceRequirements): Needs {
  const credits = check.amount("max_credits", message.maxCredits);
  const least = check.amount("min_credits", message.minCredits);
  const toolCalls = check.amount("tool_calls", message.toolCalls);
  check.amount("estimated_credits", message.estimatedCredits);
  check.durationMs("estimated_duration_ms", message.estimatedDurationMs);
  if (least > credits) check.refuse("min_credits", `must not exceed max_credits (${credits}); got ${least}`);
  check.list("tools", message.tools, LIMITS.toolNamesMax).forEach((tool, index) => {
    check.at("tools", index).text("", tool, LIMITS.nameCharsMax);
  });
  const durationMs = check.durationMs("max_duration_ms", message.maxDurationMs);
  const limits: Limits = {
    credits,
    toolCalls,
    branches: check.amount("concurrency_level", message.concurrencyLevel),
    memoryBytes: check.amount("memory_bytes", message.memoryBytes),
    ...(durationMs === 0 ? {} : { durationMs }),
  };
  return { limits, min: amountsOf({ credits: least, toolCalls }) };
}

/** A number of the engine that is for display: cut to what the wire carries, so that "unlimited" is the largest. */
export function displayAmount(value: number): bigint {
  return BigInt(Math.min(Math.max(0, Math.trunc(value)), LIMITS.amountMax));
}

/** A duration for display or advice as uint32 milliseconds, rounded up. */
export function displayMs(value: number): number {
  return Math.min(Math.max(0, Math.ceil(value)), 0xffff_ffff);
}

/** Time that is left to a deadline, rounded down; none when it has passed. */
export function leftToProto(leftMs: number): bigint {
  return BigInt(Math.max(0, Math.floor(leftMs)));
}

export function leftFromProto(check: FieldCheck, leftMs: bigint | undefined): { readonly deadlineLeftMs?: number } {
  return leftMs === undefined ? {} : { deadlineLeftMs: check.durationMs("deadline_left_ms", leftMs) };
}

/** The part of `limits` that can grow or be granted as amounts; what is absent is zero. */
export function amountsOfLimits({ credits, toolCalls, branches, memoryBytes }: Limits): Amounts {
  return amountsOf({ credits, toolCalls, branches, memoryBytes });
}
