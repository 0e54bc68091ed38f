/** Calls: reserve, extend, settle, release. A reserve is decided for all its resources at once, all or nothing, but for a clamp. */
import { fingerprint, LIMITS } from "#std";
import { type Amount, isAmount, monus } from "./amount.ts";
import { freed } from "./cascade.ts";
import type { CommandOf } from "./command.ts";
import { conflictAt, notTakingWork } from "./conflict.ts";
import { DONE, type Draft, effectKey, emit, refuse } from "./draft.ts";
import { answerOf } from "./effect.ts";
import type { HoldCharged, HoldPlaced } from "./event.ts";
import { bookableOf, drawable, shortOf } from "./free.ts";
import { draw } from "./grant.ts";
import type { Outcome, Refusal, Violation } from "./outcome.ts";
import { type Consumable, isNothing, leastAmounts, monusAmounts, RESOURCES } from "./resource.ts";
import type { Allocation, BudgetState, Hold } from "./state.ts";

export function decideReserve(draft: Draft, command: CommandOf<"reserve">): Outcome {
  const { allocationId, requestId, wanted } = command;
  const key = effectKey(allocationId, requestId);
  const print = fingerprintOf(command);
  const known = draft.state.effects.get(key);
  if (known) {
    const answer = known.fingerprint === print ? answerOf(known) : undefined;
    return answer?.type === "held" ? { ...answer, repeated: true } : refuse({ code: "request_reused", requestId });
  }
  const node = draft.state.allocations.get(allocationId);
  if (!node) return refuse({ code: "not_found", subject: "allocation", id: allocationId });
  const refusal = checkReserve(draft, node, command);
  if (refusal) return refuse(refusal);
  const short = shortOf(node, command.min);
  if (short) {
    const conflict = conflictAt({ node, resource: short, wanted: command.min[short], nowMs: draft.nowMs });
    return refuse({ code: "conflict", conflict });
  }
  const amounts = leastAmounts(wanted, drawable(node));
  const clamped = !isNothing(monusAmounts(wanted, amounts));
  const { holdId, what, name } = command;
  const expiresAtMs = draft.nowMs + command.ttlMs;
  draw(draft, node, amounts);
  const event: HoldPlaced = {
    type: "hold_placed",
    atMs: draft.nowMs,
    holdId,
    allocationId,
    what,
    name,
    amounts,
    clamped,
    expiresAtMs,
    effect: { key, fingerprint: print, partial: clamped },
  };
  emit(draft, event, node);
  return { type: "held", holdId, granted: amounts, clamped, expiresAtMs, repeated: false };
}

function fingerprintOf({ allocationId, what, name, wanted, min, ttlMs }: CommandOf<"reserve">): number {
  const a = `${wanted.credits},${wanted.toolCalls},${wanted.branches},${wanted.memoryBytes}`;
  const b = `${min.credits},${min.toolCalls},${min.branches},${min.memoryBytes}`;
  return fingerprint(`reserve|${allocationId}|${what}|${name}|${a}|${b}|${ttlMs}`);
}

function checkReserve(draft: Draft, node: Allocation, command: CommandOf<"reserve">): Refusal | undefined {
  if (node.side === "delegated") {
    return { code: "not_permitted", message: `${node.path} is held by ${node.peer}; its calls are metered there` };
  }
  const violations: Violation[] = [];
  for (const resource of RESOURCES) {
    if (command.min[resource] <= command.wanted[resource]) continue;
    violations.push({ field: `min_amount.${resource}`, message: "must not exceed the amount wanted" });
  }
  if (!ttlIsValid(command.ttlMs)) violations.push(ttlViolation());
  if (violations.length > 0) return { code: "invalid", violations };
  if (draft.state.effects.size >= LIMITS.effectsMax) {
    const message = `${LIMITS.effectsMax} answers are being kept; wait until older requests have ended`;
    return { code: "too_many", message, retryAfterMs: LIMITS.retryAfterMs };
  }
  return notTakingWork(node, draft.nowMs);
}

function ttlIsValid(ttlMs: number): boolean {
  return ttlMs > 0 && ttlMs <= LIMITS.holdTtlMsMax;
}

function ttlViolation(): Violation {
  return { field: "ttl", message: `must be above 0 and at most ${LIMITS.holdTtlMsMax / 1000} s` };
}

function holdFor(state: BudgetState, holdId: string, allocationId: string): Hold | Refusal {
  const hold = state.holds.get(holdId);
  if (!hold) return { code: "not_found", subject: "hold", id: holdId };
  if (hold.allocation.id === allocationId) return hold;
  return { code: "not_permitted", message: `hold ${holdId} belongs to another allocation` };
}

export function decideExtend(draft: Draft, command: CommandOf<"extend">): Outcome {
  const hold = holdFor(draft.state, command.holdId, command.allocationId);
  if ("code" in hold) return refuse(hold);
  if (!ttlIsValid(command.ttlMs)) return refuse({ code: "invalid", violations: [ttlViolation()] });
  if (hold.state !== "live") return refuse(isOver(hold));
  const expiresAtMs = draft.nowMs + command.ttlMs;
  if (expiresAtMs > hold.expiresAtMs) {
    emit(draft, { type: "hold_extended", atMs: draft.nowMs, holdId: hold.id, expiresAtMs }, hold);
  }
  return DONE;
}

function isOver(hold: Hold): Refusal {
  const message = `hold ${hold.id} has ${hold.state === "lapsed" ? "lapsed" : "ended"}; settle it with its true cost`;
  return { code: "closing", allocationId: hold.allocation.id, path: hold.allocation.path, reason: message };
}

export function decideSettle(draft: Draft, command: CommandOf<"settle">): Outcome {
  const hold = holdFor(draft.state, command.holdId, command.allocationId);
  if ("code" in hold) return refuse(hold);
  const { credits, toolCalls, final } = command;
  if (hold.state === "ended") return settleEnded(draft, hold, command);
  const violations = costViolations(hold, command);
  if (violations.length > 0) return refuse({ code: "invalid", violations });
  const late = hold.state === "lapsed";
  if (final || credits > hold.charged.credits || toolCalls > hold.charged.toolCalls) {
    const { networkBytes, diskBytes, gpuMs, memoryPeakBytes } = command;
    const event: HoldCharged = {
      type: "hold_charged",
      atMs: draft.nowMs,
      holdId: hold.id,
      credits,
      toolCalls,
      final,
      networkBytes,
      diskBytes,
      gpuMs,
      memoryPeakBytes,
    };
    emit(draft, event, hold);
    if (final) freed(draft, hold.allocation);
  }
  return { type: "settled", holdId: hold.id, credits, toolCalls, overrun: overrunOf(hold), late, ended: final };
}

/** What the call cost so far beyond what was set aside for it, in credits. */
function overrunOf({ charged, amounts }: Hold): Amount {
  return monus(charged.credits, amounts.credits);
}

function costViolations(hold: Hold, { credits, toolCalls }: { credits: Amount; toolCalls: Amount }): Violation[] {
  const violations = [
    costViolation(hold, "credits", credits, "cost.credits"),
    costViolation(hold, "toolCalls", toolCalls, "cost.tool_calls"),
  ];
  return violations.filter((violation) => violation !== undefined);
}

function costViolation(hold: Hold, resource: Consumable, now: number, field: string): Violation | undefined {
  const charged = hold.charged[resource];
  // Above both what is charged and what is set aside it is an overrun.
  const beyond = now - Math.max(charged, hold.amounts[resource]);
  if (!isAmount(now)) return { field, message: "must be a whole number, 0 or more" };
  if (now < charged) return { field, message: `is cumulative and cannot fall below ${charged}` };
  if (beyond <= 0 || beyond <= bookableOf(hold.allocation, resource)) return undefined;
  return { field, message: `all costs together would be above ${LIMITS.amountMax}` };
}

/** A settle for a hold that is over: the same cost again is the same answer; another is kept for audit once the allocation closed. */
function settleEnded(draft: Draft, hold: Hold, { credits, toolCalls }: CommandOf<"settle">): Outcome {
  const same = credits === hold.charged.credits && toolCalls === hold.charged.toolCalls;
  const late = hold.allocation.state === "closed";
  if (!same && !late) return refuse({ code: "request_reused", requestId: hold.id });
  if (!same) emit(draft, { type: "late_settle_recorded", atMs: draft.nowMs, holdId: hold.id, credits, toolCalls });
  return { type: "settled", holdId: hold.id, credits, toolCalls, overrun: overrunOf(hold), late, ended: true };
}

export function decideRelease(draft: Draft, command: CommandOf<"release">): Outcome {
  const hold = holdFor(draft.state, command.holdId, command.allocationId);
  if ("code" in hold) return refuse(hold);
  const { credits, toolCalls } = hold.charged;
  const facts = { networkBytes: 0, diskBytes: 0, gpuMs: 0, memoryPeakBytes: 0 };
  if (hold.state === "ended") {
    return { type: "settled", holdId: hold.id, credits, toolCalls, overrun: overrunOf(hold), late: false, ended: true };
  }
  return decideSettle(draft, { ...command, type: "settle", credits, toolCalls, final: true, ...facts });
}
