/** What a wish takes of its parent, and the limits and the deadline that its allocation gets for it. */
import { type Amount, least, ZERO } from "./amount.ts";
import type { GrantWish } from "./command.ts";
import { isLimited } from "./free.ts";
import type { Amounts, Demand, Limits } from "./resource.ts";
import { type Allocation, slotsTaken } from "./state.ts";
import { carveOf, within } from "./tranches.ts";

/** Only consumables can be granted in part: a held resource is there or it is not. What is not named is none, or not limited. */
export function demandOf(wish: GrantWish): Demand {
  const asked = wish.type === "raise" ? wish.by : wish.limits;
  const { credits = ZERO, toolCalls = ZERO, memoryBytes = ZERO } = asked;
  const branches = slots(wish, asked.branches ?? ZERO);
  return {
    wanted: { credits, toolCalls, branches, memoryBytes },
    min: {
      credits: least(wish.min.credits, credits),
      toolCalls: least(wish.min.toolCalls, toolCalls),
      branches,
      memoryBytes,
    },
  };
}

function slots(wish: GrantWish, branches: Amount): Amount {
  return wish.type === "raise" ? branches : slotsTaken(wish.kind, branches);
}

/** The limits a child gets for its wish and what it is granted: where the parent limits a resource and the wish is silent, nothing of it. */
export function limitsUnder(parent: Allocation, asked: Limits, granted: Amounts): Limits {
  const limits: { -readonly [L in keyof Limits]: Limits[L] } = {};
  const { durationMs } = asked;
  if (asked.credits !== undefined || isLimited(parent, "credits")) limits.credits = granted.credits;
  if (asked.toolCalls !== undefined || isLimited(parent, "toolCalls")) limits.toolCalls = granted.toolCalls;
  if (asked.branches !== undefined || isLimited(parent, "branches")) limits.branches = asked.branches ?? ZERO;
  if (asked.memoryBytes !== undefined || isLimited(parent, "memoryBytes"))
    limits.memoryBytes = asked.memoryBytes ?? ZERO;
  if (durationMs !== undefined) limits.durationMs = durationMs;
  carve(limits, asked);
  return limits;
}

/** The parts carved inside the credits, as far as what was granted has room for them. */
function carve(limits: { -readonly [L in keyof Limits]: Limits[L] }, asked: Limits): void {
  const { priorityBonus, emergencyReserve, wrapUpReserve } = asked;
  if (priorityBonus === undefined && emergencyReserve === undefined && wrapUpReserve === undefined) return;
  const { bonus, emergency, wrapUp } = within(carveOf(asked), limits.credits ?? ZERO);
  if (priorityBonus !== undefined) limits.priorityBonus = bonus;
  if (emergencyReserve !== undefined) limits.emergencyReserve = emergency;
  if (wrapUpReserve !== undefined) limits.wrapUpReserve = wrapUp;
}

/** The earlier of the parent's deadline and the wish's own. */
export function deadlineUnder(parent: Allocation, nowMs: number, durationMs: number | undefined): number | undefined {
  if (durationMs === undefined) return parent.deadlineAtMs;
  const own = nowMs + durationMs;
  return parent.deadlineAtMs === undefined ? own : Math.min(own, parent.deadlineAtMs);
}
