/**
 * Why a request was refused, or waits, in words. The one place that makes them: the message of an error, the span event, WatchDecisions and
 * `bursar why` say the same.
 */
import { LIMITS, unreachable } from "#std";
import type { AccessLacking, Conflict, Refusal, ShareStanding } from "./outcome.ts";
import { reservedWords } from "./reservation-words.ts";
import { rateWords } from "./served-rate.ts";
import { type StrategyInForce, strategyWords } from "./strategy-in-force.ts";

const WIRE_NAME = {
  credits: "credits",
  toolCalls: "tool_calls",
  branches: "concurrent_branches",
  memoryBytes: "memory_bytes",
  duration: "duration",
  access: "access",
} as const;

/** The name by which the wire knows a resource. */
export function resourceName(resource: Conflict["resource"]): string {
  return WIRE_NAME[resource];
}

/** A conflict in one sentence: what was wanted, what was free, where, who holds it, under which rule, and when to try again. */
export function conflictWords(conflict: Conflict): string {
  const { conflict: type, holders, never } = conflict;
  const short = shortWords(conflict);
  if (conflict.resource === "duration") return `${type}: ${short}`;
  const named = holders.map(({ path, amount }) => `${path} (${amount})`).join(", ");
  const holds = type === "EXCLUSIVE_ACCESS_REQUIRED" || named === "" ? "" : `; held by ${named}`;
  const held = conflict.share ? shareWords(conflict.share, named) : holds;
  const rule = never || !conflict.strategy ? "" : `; ${ruleWords(conflict, conflict.strategy)}`;
  const kept = conflict.reserved === undefined ? "" : `; ${reservedWords(conflict.reserved)}`;
  const giving = conflict.preemption === undefined ? "" : `; ${conflict.preemption}`;
  return `${type}: ${short}${keptWords(conflict)}${held}${kept}${rule}${giving}; ${nextWords(conflict)}`;
}

/** Of one that waits, the part of its sentence that tells its place and when that may change. */
export function placeWords(conflict: Conflict): string {
  const { never, strategy } = conflict;
  return `${never || !strategy ? "" : `${ruleWords(conflict, strategy)}; `}${nextWords(conflict)}`;
}

function shortWords(conflict: Conflict): string {
  const { ancestorPath, available, wanted, debt } = conflict;
  const resource = WIRE_NAME[conflict.resource];
  if (conflict.resource === "duration") {
    if (available <= 0) return `the deadline of ${ancestorPath} has passed`;
    return `${ancestorPath} has ${available} ms left, and the work asked for would have no time`;
  }
  if (conflict.conflict === "EXCLUSIVE_ACCESS_REQUIRED") return exclusiveWords(conflict);
  if (debt === 0 && available >= wanted) {
    return `${ancestorPath} has ${available} ${resource} free, enough for the ${wanted} wanted, and others have their turn before`;
  }
  const owed = debt > 0 ? ` and owes ${debt}, which must be paid first` : "";
  return `${ancestorPath} has ${available} ${resource} free of the ${wanted} wanted${owed}`;
}

function keptWords({ kept }: Conflict): string {
  if (!kept) return "";
  const parts = [
    kept.bonus > 0 ? `${kept.bonus} for HIGH and above` : [],
    kept.emergency > 0 ? `${kept.emergency} for CRITICAL and above` : [],
    kept.wrapUp > 0 ? `${kept.wrapUp} for its final step` : [],
  ].flat();
  return `; kept beside that: ${parts.join(", ")}`;
}

function shareWords({ least, most, weight }: ShareStanding, named: string): string {
  const share = least === most ? `${least}` : `${least} to ${most}`;
  const above = named === "" ? "nobody holds clearly more than theirs" : `above theirs are ${named}`;
  return `; its share is ${share} at weight ${weight}, and ${above}`;
}

function exclusiveWords(conflict: Conflict): string {
  const { ancestorPath, resource, holders, access } = conflict;
  const who = holders.map(({ path }) => path).join(", ");
  if (access) return accessWords(access, who, ancestorPath);
  const name = WIRE_NAME[resource];
  return who === ""
    ? `${ancestorPath} cannot give ${name} to one alone now`
    : `${name} of ${ancestorPath} is in use by ${who}, and one of them or the request wants it alone`;
}

function accessWords({ name, mode, held, before, circle }: AccessLacking, who: string, under: string): string {
  const others = before === undefined ? `held ${held ?? mode} by ${who}` : `wanted before by ${before}`;
  const lacking = `${name} under ${under} is ${others}, and cannot be had ${mode} beside that`;
  return circle === undefined ? lacking : `${lacking}; waiting for it would never end: ${circle}`;
}

function ruleWords({ position, waitedMs }: Conflict, strategy: StrategyInForce): string {
  const name = strategyWords(strategy);
  if (position > 0) return `it waits at place ${position} under ${name}`;
  if (waitedMs !== undefined) return `it waited ${waitedMs} ms under ${name}, and may not wait longer`;
  // Under the other strategies those wait who ask to; what draws from above never waits below.
  const isDenied = strategy.name === "FIRST_COME_FIRST_SERVED";
  return isDenied ? `${name} denies what does not fit now` : `it does not wait under ${name}`;
}

function nextWords(conflict: Conflict): string {
  const { never, position, expectedWaitMs, retryAfterMs, fitsInMs, servedEveryMs } = conflict;
  if (fitsInMs !== undefined) return `it would fit if it began in ${fitsInMs} ms`;
  if (never) return "it can never fit, ask for less or have the limit raised";
  if (position === 0) return `try again in ${retryAfterMs} ms`;
  if (servedEveryMs !== undefined) return rateWords(servedEveryMs, conflict);
  return expectedWaitMs === 0
    ? "nobody knows when something changes"
    : `something changes in about ${expectedWaitMs} ms`;
}

/** A refusal in words: what refused, and what to do where that is not plain. */
export function refusalWords(refusal: Refusal): string {
  switch (refusal.code) {
    case "invalid":
      return refusal.violations.map(({ field, message }) => `${field}: ${message}`).join("; ");
    case "not_found":
      return `no ${refusal.subject} with id ${refusal.id} is known here`;
    case "stale_epoch":
      return `the epoch is not current; ${refusal.allocationId} is held under epoch ${refusal.currentEpoch}`;
    case "request_reused":
      return `${refusal.requestId} was used before with other content; use a new id for a new request`;
    case "closing":
      return `${refusal.path} takes no new work: ${refusal.reason}`;
    case "withdrawn":
      return `${refusal.path} waits no longer: cancelled by the caller`;
    case "lease_ended":
      return `the lease of ${refusal.path} has ended; nothing is spent until the tier above answers: try again in ${LIMITS.retryAfterMs} ms`;
    case "paused":
      return `${refusal.path} is paused (${refusal.reason}); nothing new is begun until it goes on: try again in ${LIMITS.retryAfterMs} ms`;
    case "conflict":
      return conflictWords(refusal.conflict);
    case "not_permitted":
    case "not_in_doubt":
    case "unsupported":
    case "too_many":
      return refusal.message;
    default:
      return unreachable(refusal);
  }
}
