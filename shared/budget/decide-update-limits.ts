/**
 * A person changes limits while work goes on: all that is asked, or nothing. The rule, per resource:
 * - Growing is taken from what is free at the parent, past those who wait there; who waits at the node itself is served at once, and the
 *   holder of a delegated node is told.
 * - Shrinking a node whose books are here goes down to what is used, reserved, granted, unconfirmed or in doubt, and no further: the refusal
 *   names the least that is possible now. What is granted to another daemon is never shrunk from here: its holder is asked (Preempt).
 * - Whether a resource is limited at all never changes.
 * - A deadline moves within the parent's, and not into the past; what is below moves with it (deadline.ts).
 */
import { fingerprint, LIMITS } from "#std";
import { freed } from "./cascade.ts";
import type { CommandOf } from "./command.ts";
import { conflictAt, notTakingWork } from "./conflict.ts";
import { delegatedAlong } from "./deadline.ts";
import { type Draft, effectKey, emit, refuse, say } from "./draft.ts";
import { answerOf } from "./effect.ts";
import type { EffectMark } from "./event.ts";
import { freeOf, shortOf } from "./free.ts";
import { draw } from "./grant.ts";
import { limitsOf } from "./limits-of.ts";
import { tellLow, useOf } from "./low-budget.ts";
import type { Outcome, OutcomeOf, Refusal, Violation } from "./outcome.ts";
import { type Amounts, amountsOf, isNothing, type Limits, monusAmounts, RESOURCES, type Resource } from "./resource.ts";
import type { Allocation } from "./state.ts";

type Updated = OutcomeOf<"updated">;
type UpdateLimits = CommandOf<"update_limits">;

const FIELD = {
  credits: "overrides.max_credits",
  toolCalls: "overrides.max_tool_calls",
  branches: "overrides.max_concurrent_branches",
  memoryBytes: "overrides.max_memory_bytes",
} as const satisfies { readonly [R in Resource]: string };

/** The same request again answers what was changed then. */
export function decideUpdateLimits(draft: Draft, command: UpdateLimits): Outcome {
  const { caller, requestId, allocationId } = command;
  const key = effectKey(caller, requestId);
  const print = printOf(command);
  const known = draft.state.effects.get(key);
  if (known) {
    const answer = known.fingerprint === print ? answerOf(known) : undefined;
    return answer?.type === "updated" ? { ...answer, repeated: true } : refuse({ code: "request_reused", requestId });
  }
  const node = draft.state.allocations.get(allocationId);
  if (!node) return refuse({ code: "not_found", subject: "allocation", id: allocationId });
  const change = changeOf(node, command.limits);
  const refusal = mayChange(draft, node) ?? checkFields(draft, change) ?? checkRoom(draft, change);
  if (refusal) return refuse(refusal);
  return apply(draft, change, { key, fingerprint: print, partial: false });
}

function printOf({ allocationId, limits: l }: UpdateLimits): number {
  const amounts = RESOURCES.map((resource) => l[resource] ?? "").join(",");
  const rest = `${l.durationMs ?? ""},${l.priorityBonus ?? ""},${l.emergencyReserve ?? ""}`;
  return fingerprint(`update_limits|${allocationId}|${amounts},${rest}`);
}

interface Change {
  readonly node: Allocation;
  readonly wanted: Limits;
  readonly now: Limits;
  readonly up: Amounts;
  readonly down: Amounts;
  /** Absent: the deadline stays. */
  readonly deadlineAtMs: number | undefined;
}

function changeOf(node: Allocation, wanted: Limits): Change {
  const now = limitsOf(node);
  const target = amountsOf({ ...now, ...wanted });
  const deadlineAtMs = wanted.durationMs === undefined ? undefined : node.openedAtMs + wanted.durationMs;
  return {
    node,
    wanted,
    now,
    up: monusAmounts(target, amountsOf(now)),
    down: monusAmounts(amountsOf(now), target),
    deadlineAtMs: deadlineAtMs === node.deadlineAtMs ? undefined : deadlineAtMs,
  };
}

function mayChange({ nowMs, state }: Draft, node: Allocation): Refusal | undefined {
  if (node.side === "received") {
    return { code: "not_permitted", message: `${node.path} has its limits from the tier above; change them there` };
  }
  if (state.effects.size >= LIMITS.effectsMax) {
    const message = `${LIMITS.effectsMax} answers are being kept; wait until older requests have ended`;
    return { code: "too_many", message, retryAfterMs: LIMITS.retryAfterMs };
  }
  return notTakingWork(node, nowMs);
}

function checkFields({ nowMs }: Draft, change: Change): Refusal | undefined {
  const { wanted, deadlineAtMs } = change;
  const violations: Violation[] = [];
  for (const resource of RESOURCES) {
    const message = wanted[resource] === undefined ? undefined : amountProblem(change, resource);
    if (message !== undefined) violations.push({ field: FIELD[resource], message });
  }
  const time = deadlineAtMs === undefined ? undefined : deadlineProblem(change.node, deadlineAtMs, nowMs);
  if (time !== undefined) violations.push({ field: "overrides.max_duration_ms", message: time });
  const carved = { priority_bonus: wanted.priorityBonus, emergency_reserve: wanted.emergencyReserve };
  for (const [field, value] of Object.entries(carved)) {
    if (value === undefined) continue;
    violations.push({ field: `overrides.${field}`, message: "is settled when an allocation is opened; leave it out" });
  }
  return violations.length > 0 ? { code: "invalid", violations } : undefined;
}

/** What is wrong with the value of one resource, in words that say what to do; undefined when nothing is. */
function amountProblem({ node, now, up, down }: Change, resource: Resource): string | undefined {
  const { path } = node;
  if ((node.pooled as readonly Resource[]).includes(resource)) {
    return `${path} has no limit of its own here: it draws on ${node.parent?.path} as it needs; change that one`;
  }
  const limit = now[resource];
  if (limit === undefined) {
    return `${path} is not limited in it, and whether it is cannot change while it is open; open another one with a limit`;
  }
  if (node.grantedTotal[resource] + up[resource] > LIMITS.amountMax) {
    return `everything ever given to ${path} would be above ${LIMITS.amountMax}`;
  }
  if (down[resource] === 0) return undefined;
  if (node.side === "delegated") {
    return `another daemon holds ${path} and its limit of ${limit}, and may be spending it: ask for it back with "bursar preempt ${path}"`;
  }
  const least = limit - freeOf(node, resource);
  if (limit - down[resource] >= least) return leastForCarve(node, resource, limit - down[resource]);
  return `${path} has ${least} of its ${limit} used, set aside or granted: ${least} is the least that is possible now`;
}

/** The two parts carved inside the credits must go on fitting into them. */
function leastForCarve(node: Allocation, resource: Resource, wanted: number): string | undefined {
  const carved = resource === "credits" ? node.priorityBonus + node.emergencyReserve : 0;
  if (wanted >= carved) return undefined;
  return `${node.path} keeps ${carved} of it as priority bonus and emergency reserve: that is the least that is possible`;
}

function deadlineProblem(node: Allocation, deadlineAtMs: number, nowMs: number): string | undefined {
  const ran = nowMs - node.openedAtMs;
  if (deadlineAtMs <= nowMs) {
    return `${node.path} was opened ${ran} ms ago, so that its deadline would have passed: it must be above ${ran}`;
  }
  const latest = node.parent?.deadlineAtMs;
  if (latest === undefined || deadlineAtMs <= latest) return undefined;
  const most = latest - node.openedAtMs;
  return `the deadline would be later than that of ${node.parent?.path}: ${most} is the most that is possible, or move that one first`;
}

/** What a raise takes must be free at the parent; it does not wait for it. */
function checkRoom({ nowMs }: Draft, { node, up }: Change): Refusal | undefined {
  const { parent } = node;
  if (!parent || isNothing(up)) return undefined;
  const refusal = notTakingWork(parent, nowMs);
  if (refusal) return refusal;
  const scarce = shortOf(parent, up);
  if (!scarce) return undefined;
  return { code: "conflict", conflict: conflictAt({ node: parent, resource: scarce, wanted: up[scarce], nowMs }) };
}

function apply(draft: Draft, change: Change, effect: EffectMark): Outcome {
  const { node, wanted, up, down, deadlineAtMs } = change;
  const { nowMs: atMs } = draft;
  const before = withDuration(node, change.now, node.deadlineAtMs);
  const after = withDuration(node, { ...change.now, ...wanted }, deadlineAtMs ?? node.deadlineAtMs);
  const answer: Updated = { type: "updated", allocationId: node.id, before, after, repeated: false };
  if (isNothing(up) && isNothing(down) && deadlineAtMs === undefined) return answer;
  emit(draft, { type: "limits_updated", atMs, allocationId: node.id, before, after, effect }, node);
  if (!isNothing(up)) {
    if (node.parent) draw(draft, node.parent, up);
    emit(draft, { type: "limit_raised", atMs, allocationId: node.id, by: up, effect: undefined }, node);
  }
  const use = useOf(node);
  if (!isNothing(down)) {
    emit(draft, { type: "limit_lowered", atMs, allocationId: node.id, by: down, preemptionId: undefined }, node);
  }
  tellLow(draft, node, use);
  if (deadlineAtMs !== undefined) setDeadline(draft, node, deadlineAtMs);
  else tellHolder(draft, node);
  // Only now may others have what came free: they could take what the raise was checked against.
  freed(draft, node);
  if (node.parent) freed(draft, node.parent);
  return answer;
}

function withDuration(node: Allocation, limits: Limits, deadlineAtMs: number | undefined): Limits {
  const { durationMs: _, ...rest } = limits;
  return deadlineAtMs === undefined ? rest : { ...rest, durationMs: deadlineAtMs - node.openedAtMs };
}

/** Moves the deadline of a node and of what is below it, and tells the daemons that hold any of it. */
export function setDeadline(draft: Draft, node: Allocation, deadlineAtMs: number): void {
  const told = delegatedAlong(node, deadlineAtMs);
  emit(draft, { type: "deadline_moved", atMs: draft.nowMs, allocationId: node.id, deadlineAtMs }, node);
  for (const moved of told) tellHolder(draft, moved);
}

/** Tells the holder of a delegated node what it has been granted in total, and until when. */
export function tellHolder(
  draft: Draft,
  { side, peer: holder, id: allocationId, epoch, grantedTotal, deadlineAtMs }: Allocation,
) {
  if (side !== "delegated" || holder === undefined) return;
  say(draft, { type: "granted", holder, allocationId, epoch, grantedTotal, deadlineAtMs });
}
