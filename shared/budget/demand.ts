/** What a wish takes of its parent, and the limits that its allocation gets for it. */
import { type Amount, least, ZERO } from "./amount.ts";
import type { GrantWish } from "./command.ts";
import { isLimited } from "./free.ts";
import { type Demand, type Limits, RESOURCES } from "./resource.ts";
import { type Allocation, slotsTaken } from "./state.ts";

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

/** The limits a child gets for its wish: where the parent limits a resource and the wish is silent, nothing of it. */
export function limitsUnder(parent: Allocation, asked: Limits): { -readonly [L in keyof Limits]: Limits[L] } {
  const limits: { -readonly [L in keyof Limits]: Limits[L] } = { ...asked };
  for (const resource of RESOURCES) {
    if (limits[resource] === undefined && isLimited(parent, resource)) limits[resource] = ZERO;
  }
  return limits;
}
