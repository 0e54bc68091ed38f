/** The answers that are told again, out of what is kept of them; see Effect. */

import type { Answer } from "./kept-answer.ts";
import { leaseLeft } from "./lease.ts";
import { limitsOf, limitsWith } from "./limits-of.ts";
import type { OpenedAnswer, OutcomeOf } from "./outcome.ts";
import type { Allocation, Effect, Hold, KeptOpening } from "./state.ts";

/** The answer of the first request; undefined while it waits. */
export function answerOf(effect: Effect): Answer | undefined {
  switch (effect.kind) {
    case "opening":
      return openedAnswer(effect, effect.node.openedAtMs);
    case "call":
      return heldAnswer(effect);
    case "answer":
      return effect.answer;
    default:
      return undefined;
  }
}

/** The answer to the request that opened an allocation, whose lease counts from that engine time. */
export function openedAnswer(
  opening: Omit<KeptOpening, "kind" | "fingerprint">,
  decidedAtMs: number,
): OutcomeOf<"opened"> {
  const { node, policy, grantedTotal, epoch, leaseTtlMs, partial } = opening;
  return {
    type: "opened",
    allocationId: node.id,
    path: node.path,
    depth: node.depth,
    name: node.name,
    kind: node.kind,
    priority: node.priority,
    weight: node.weight,
    policy,
    limits: limitsWith(node, grantedTotal),
    pooled: node.pooled,
    grantedTotal,
    epoch,
    leaseTtlMs,
    token: node.token,
    deadlineAtMs: node.deadlineAtMs,
    decidedAtMs,
    partial,
    repeated: false,
  };
}

/** The answer to one who asks again for a node that stands: as it is now. */
export function standingAnswer(node: Allocation): OpenedAnswer {
  const { policy, grantedTotal, epoch } = node;
  const leaseTtlMs = leaseLeft(node, node.openedAtMs);
  const answer = openedAnswer({ node, policy, grantedTotal, epoch, leaseTtlMs, partial: false }, node.openedAtMs);
  return { ...answer, limits: limitsOf(node) };
}

function heldAnswer({ id: holdId, amounts: granted, clamped, answeredUntilMs: expiresAtMs }: Hold): OutcomeOf<"held"> {
  return { type: "held", holdId, granted, clamped, expiresAtMs, repeated: false };
}
