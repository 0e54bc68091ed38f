/**
 * A person changes limits while work goes on: all that is asked, or nothing. The rule, per resource:
 * - Growing is taken from what is free at the parent, past those who wait there; who waits at the node itself is served at once, and the
 *   holder of a delegated node is told.
 * - A part carved inside the credits (tranches.ts) grows by general credits of the node that are free, or come with the raise; what is taken
 *   off it is general again.
 * - Shrinking a node whose books are here goes down to what is used, reserved, granted, unconfirmed or in doubt, and no further: the refusal
 *   names the least that is possible now. What is granted to another daemon is never shrunk from here: its holder is asked (Preempt).
 * - Whether a resource is limited at all never changes.
 * - A deadline moves within the parent's, and not into the past; what is below moves with it (deadline.ts).
 * - Another strategy holds at once: who waits is served in its order, and holders of what inherits it are told.
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
import { revisionOf } from "./grant-revision.ts";
import { limitsOf } from "./limits-of.ts";
import { tellLow, useOf } from "./low-budget.ts";
import type { Outcome, OutcomeOf, Refusal, Violation } from "./outcome.ts";
import type { Policy } from "./policy.ts";
import { checkPolicy } from "./policy-check.ts";
import { hurtByStaying } from "./reservation-calendar.ts";
import { type Amounts, amountsOf, isNothing, type Limits, monusAmounts, RESOURCES, type Resource } from "./resource.ts";
import { serveBelow, setPolicy } from "./set-policy.ts";
import { samePolicy } from "./shared-policy.ts";
import type { Allocation } from "./state.ts";
import { sightIn } from "./tranche-draw.ts";
import { carveWith, generalWith, resizeProblem, sameParts } from "./tranche-limits.ts";
import { NO_TRANCHES, type Parts } from "./tranches.ts";

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
  const change = changeOf(node, command);
  const refusal = mayChange(draft, node) ?? checkFields(draft, change) ?? checkRoom(draft, change);
  if (refusal) return refuse(refusal);
  return apply(draft, change, { key, fingerprint: print, partial: false });
}

function printOf({ allocationId, limits: l, strategy }: UpdateLimits): number {
  const amounts = RESOURCES.map((resource) => l[resource] ?? "").join(",");
  const wrapUp = l.wrapUpReserve === undefined ? "" : `,${l.wrapUpReserve}`;
  const rest = `${l.durationMs ?? ""},${l.priorityBonus ?? ""},${l.emergencyReserve ?? ""}${wrapUp}${strategy === undefined ? "" : `|${strategy}`}`;
  return fingerprint(`update_limits|${allocationId}|${amounts},${rest}`);
}

interface Change {
  readonly node: Allocation;
  readonly wanted: Limits;
  readonly now: Limits;
  readonly up: Amounts;
  readonly down: Amounts;
  /** Sizes of the parts that are carved inside the credits. */
  readonly carve: Parts;
  /** Absent: the deadline stays. */
  readonly deadlineAtMs: number | undefined;
  /** Absent: the policy stays. */
  readonly policy: Policy | undefined;
}

function changeOf(node: Allocation, { limits: wanted, strategy }: UpdateLimits): Change {
  const now = limitsOf(node);
  const target = amountsOf({ ...now, ...wanted });
  const deadlineAtMs = wanted.durationMs === undefined ? undefined : node.openedAtMs + wanted.durationMs;
  const policy = strategy === undefined ? node.policy : policyWith(node.policy, strategy);
  return {
    node,
    wanted,
    now,
    up: monusAmounts(target, amountsOf(now)),
    down: monusAmounts(amountsOf(now), target),
    carve: carveWith(node, wanted),
    deadlineAtMs: deadlineAtMs === node.deadlineAtMs ? undefined : deadlineAtMs,
    policy: samePolicy(policy, node.policy) ? undefined : policy,
  };
}

function policyWith({ strategy: _, ...rest }: Policy, strategy: NonNullable<UpdateLimits["strategy"]>): Policy {
  return strategy === "INHERITED" ? rest : { ...rest, strategy };
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
  const { node, wanted, up, carve, deadlineAtMs, policy } = change;
  const violations: Violation[] = [];
  for (const resource of RESOURCES) {
    const message = wanted[resource] === undefined ? undefined : amountProblem(change, resource);
    if (message !== undefined) violations.push({ field: FIELD[resource], message });
  }
  const time = deadlineAtMs === undefined ? undefined : deadlineProblem(node, deadlineAtMs, nowMs);
  if (time !== undefined) violations.push({ field: "overrides.max_duration_ms", message: time });
  const credits = wanted.credits ?? node.books.credits.limit;
  const resizing = resizeProblem(node, { carve, raisedBy: up.credits, credits, place: "overrides" });
  if (resizing) violations.push(resizing);
  const unfit = policy && strategyProblem(node, policy);
  if (unfit !== undefined) violations.push({ field: "strategy", message: unfit });
  return violations.length > 0 ? { code: "invalid", violations } : undefined;
}

/** What is wrong with the value of one resource, in words that say what to do; undefined when nothing is. */
function amountProblem({ node, now, up, down, carve }: Change, resource: Resource): string | undefined {
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
  const free = resource === "credits" ? generalWith(node, carve).free : freeOf(node, resource);
  if (down[resource] <= free) return undefined;
  const least = limit - free;
  const carved = resource === "credits" && node.tranches !== NO_TRANCHES ? ", carved," : ",";
  return `${path} has ${least} of its ${limit} used${carved} set aside or granted: ${least} is the least that is possible now`;
}

function deadlineProblem(node: Allocation, deadlineAtMs: number, nowMs: number): string | undefined {
  const ran = nowMs - node.openedAtMs;
  if (deadlineAtMs <= nowMs) {
    return `${node.path} was opened ${ran} ms ago, so that its deadline would have passed: it must be above ${ran}`;
  }
  const latest = node.parent?.deadlineAtMs;
  if (latest === undefined || deadlineAtMs <= latest) return reservedProblem(node, deadlineAtMs, nowMs);
  const most = latest - node.openedAtMs;
  return `the deadline would be later than that of ${node.parent?.path}: ${most} is the most that is possible, or move that one first`;
}

function reservedProblem(node: Allocation, deadlineAtMs: number, nowMs: number): string | undefined {
  const hurt = hurtByStaying(node, deadlineAtMs, nowMs);
  if (!hurt) return undefined;
  const most = hurt.startsAtMs - node.openedAtMs;
  return `what ${node.path} holds is reserved as ${hurt.name} (${hurt.id}) from then on: ${most} is the most that is possible`;
}

function strategyProblem({ side, path, parent }: Allocation, policy: Policy): string | undefined {
  if (side === "delegated") {
    return `another daemon holds ${path}, where work competes as what is above says: change the strategy of ${parent?.path}`;
  }
  const unfit = checkPolicy(policy);
  return unfit?.code === "unsupported" ? unfit.message : undefined;
}

/** What a raise takes must be free at the parent; it does not wait for it. */
function checkRoom({ nowMs }: Draft, { node, up }: Change): Refusal | undefined {
  const { parent } = node;
  if (!parent || isNothing(up)) return undefined;
  const refusal = notTakingWork(parent, nowMs);
  if (refusal) return refusal;
  const sight = sightIn(parent, node);
  const scarce = shortOf(parent, up, sight);
  if (!scarce) return undefined;
  const wanted = up[scarce];
  return { code: "conflict", conflict: conflictAt({ node: parent, resource: scarce, wanted, nowMs, sight }) };
}

function apply(draft: Draft, change: Change, effect: EffectMark): Outcome {
  const { node, wanted, up, down, carve, deadlineAtMs, policy } = change;
  const resized = !sameParts(carve, node.tranches.carve);
  const { nowMs: atMs } = draft;
  const before = withDuration(node, change.now, node.deadlineAtMs);
  const after = withDuration(node, { ...change.now, ...wanted }, deadlineAtMs ?? node.deadlineAtMs);
  const answer: Updated = { type: "updated", allocationId: node.id, before, after, repeated: false };
  if (isNothing(up) && isNothing(down) && !resized && deadlineAtMs === undefined && !policy) return answer;
  emit(draft, { type: "limits_updated", atMs, allocationId: node.id, before, after, effect }, node);
  if (policy) setPolicy(draft, node, policy);
  if (!isNothing(up)) {
    if (node.parent) draw(draft, node.parent, up);
    emit(draft, { type: "limit_raised", atMs, allocationId: node.id, by: up, effect: undefined }, node);
  }
  if (resized) emit(draft, { type: "tranches_set", atMs, allocationId: node.id, carve }, node);
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
  if (policy) serveBelow(draft, node);
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
export function tellHolder(draft: Draft, node: Allocation): void {
  const revision = revisionOf(node);
  if (revision) say(draft, revision);
}
