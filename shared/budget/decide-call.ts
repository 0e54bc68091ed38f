/** Calls: reserve, extend, settle, release. A reserve is decided for all its resources at once, all or nothing, but for a clamp. */
import { FingerprintPieces, LIMITS } from "#std";
import { toolInUse } from "./access-conflict.ts";
import { findHidden } from "./allowance.ts";
import { type Amount, isAmount, monus } from "./amount.ts";
import { freed } from "./cascade.ts";
import type { CommandOf } from "./command.ts";
import { closingRefusal, conflictAt, notTakingWork } from "./conflict.ts";
import { DONE, type Draft, effectKey, emit, refuse } from "./draft.ts";
import { answerOf } from "./effect.ts";
import type { EndedCall } from "./ended-memory.ts";
import type { HoldCharged, HoldPlaced } from "./event.ts";
import { addAmounts } from "./fingerprint-amounts.ts";
import { bookableOf, drawable, shortOf } from "./free.ts";
import { draw } from "./grant.ts";
import type { Charged } from "./kept-answer.ts";
import { tellLow, useOf } from "./low-budget.ts";
import type { Outcome, Refusal, Violation } from "./outcome.ts";
import { stoppedBy } from "./paused.ts";
import { type Consumable, isNothing, leastAmounts, monusAmounts, RESOURCES } from "./resource.ts";
import { type Allocation, type BudgetState, Hold } from "./state.ts";
import { sightOfCalls } from "./tranche-draw.ts";

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
  const inUse = draft.state.names.size > 0 ? toolInUse(draft.state, node, command) : undefined;
  if (inUse) return refuse(inUse);
  const sight = sightOfCalls(node);
  const short = shortOf(node, command.min, sight);
  if (short) {
    const conflict = conflictAt({ node, resource: short, wanted: command.min[short], nowMs: draft.nowMs, sight });
    return refuse({ code: "conflict", conflict });
  }
  const amounts = leastAmounts(wanted, drawable(node, sight));
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

const pieces = new FingerprintPieces();

function fingerprintOf({ allocationId, what, name, wanted, min, ttlMs }: CommandOf<"reserve">): number {
  pieces.clear().text("reserve|").text(allocationId).text("|").text(what).text("|").text(name).text("|");
  addAmounts(pieces, wanted);
  addAmounts(pieces.text("|"), min);
  return pieces.text("|").number(ttlMs).sum();
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

function holdFor(state: BudgetState, holdId: string, allocationId: string): Hold | EndedCall | Refusal {
  const hold = state.holds.get(holdId) ?? state.ended.call(holdId);
  if (!hold) return { code: "not_found", subject: "hold", id: holdId };
  const ownerId = hold instanceof Hold ? hold.allocation.id : hold.allocationId;
  if (ownerId === allocationId) return hold;
  return { code: "not_permitted", message: `hold ${holdId} belongs to another allocation` };
}

export function decideExtend(draft: Draft, command: CommandOf<"extend">): Outcome {
  const hold = holdFor(draft.state, command.holdId, command.allocationId);
  if ("code" in hold) return refuse(hold);
  if (!ttlIsValid(command.ttlMs)) return refuse({ code: "invalid", violations: [ttlViolation()] });
  if (!(hold instanceof Hold) || hold.state !== "live") return refuse(isOver(draft.state, hold));
  if (stoppedBy(hold.allocation)) return refuse(closingRefusal(hold.allocation));
  const expiresAtMs = draft.nowMs + command.ttlMs;
  if (expiresAtMs > hold.expiresAtMs) {
    emit(draft, { type: "hold_extended", atMs: draft.nowMs, holdId: hold.id, expiresAtMs }, hold);
  }
  return DONE;
}

/** Of an allocation that is forgotten only the id is left to be told. */
function isOver(state: BudgetState, hold: Hold | EndedCall): Refusal {
  const [what, allocationId] = hold instanceof Hold ? ["lapsed", hold.allocation.id] : ["ended", hold.allocationId];
  const path = state.allocations.get(allocationId)?.path ?? allocationId;
  return { code: "closing", allocationId, path, reason: `hold ${hold.id} has ${what}; settle it with its true cost` };
}

export function decideSettle(draft: Draft, command: CommandOf<"settle">): Outcome {
  const hold = holdFor(draft.state, command.holdId, command.allocationId);
  if ("code" in hold) {
    const found = hold.code === "not_found" ? findHidden(draft, command) : undefined;
    return found ? settle(draft, found, command) : refuse(hold);
  }
  return hold instanceof Hold ? settle(draft, hold, command) : settleEnded(draft, hold, command);
}

type Cost = Omit<CommandOf<"settle">, "type" | "nowMs" | "allocationId" | "holdId">;

function settle(draft: Draft, hold: Hold, command: Cost): Outcome {
  const { credits, toolCalls, final } = command;
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
    const before = useOf(hold.allocation);
    emit(draft, event, hold);
    tellLow(draft, hold.allocation, before);
    if (final) freed(draft, hold.allocation);
  }
  return {
    type: "settled",
    holdId: hold.id,
    credits,
    toolCalls,
    overrun: overrunOf(hold.charged, hold.amounts.credits),
    late,
    ended: final,
  };
}

/** What the call cost so far beyond what was set aside for it, in credits. */
function overrunOf(charged: Charged, setAside: Amount): Amount {
  return monus(charged.credits, setAside);
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

/** A settle for a call that is over: the same cost again is the same answer; another is kept for audit once the allocation closed. */
function settleEnded(draft: Draft, call: EndedCall, { credits, toolCalls }: CommandOf<"settle">): Outcome {
  const same = credits === call.charged.credits && toolCalls === call.charged.toolCalls;
  // What is forgotten was closed.
  const late = (draft.state.allocations.get(call.allocationId)?.state ?? "closed") === "closed";
  if (!same && !late) return refuse({ code: "request_reused", requestId: call.id });
  if (!same) emit(draft, { type: "late_settle_recorded", atMs: draft.nowMs, holdId: call.id, credits, toolCalls });
  const overrun = overrunOf({ credits, toolCalls }, call.credits);
  return { type: "settled", holdId: call.id, credits, toolCalls, overrun, late, ended: true };
}

export function decideRelease(draft: Draft, command: CommandOf<"release">): Outcome {
  const hold = holdFor(draft.state, command.holdId, command.allocationId);
  if ("code" in hold) return refuse(hold);
  const { credits, toolCalls } = hold.charged;
  if (!(hold instanceof Hold)) {
    const overrun = overrunOf(hold.charged, hold.credits);
    return { type: "settled", holdId: hold.id, credits, toolCalls, overrun, late: false, ended: true };
  }
  const facts = { networkBytes: 0, diskBytes: 0, gpuMs: 0, memoryPeakBytes: 0 };
  return settle(draft, hold, { credits, toolCalls, final: true, ...facts });
}
