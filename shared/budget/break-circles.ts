/**
 * A change of policy changed the order in which requests have their turn for names, so that some may wait for each other for ever: who of them
 * came last is refused with the circle, as if it had come only now.
 */
import { assert } from "#std";
import { circleThrough } from "./access-circle.ts";
import { lastOnCircles } from "./access-circles.ts";
import { namesAwaitedBy } from "./access-conflict.ts";
import { type Draft, refuse } from "./draft.ts";
import { wantedBy } from "./evolve-access.ts";
import { strategyInForce } from "./find-strategy.ts";
import type { Refusal } from "./outcome.ts";
import { dequeue, tell } from "./queue.ts";
import type { Waiter } from "./state.ts";

/** To be called when a policy has changed, before anybody is served. */
export function breakCircles(draft: Draft): void {
  const { names } = draft.state;
  if (names.size === 0) return;
  // Of each circle one at a time: those that are left may wait for each other still.
  for (let found = lastOnCircles(names); found.length > 0; found = lastOnCircles(names)) {
    for (const last of found) {
      const refusal = circleRefusal(draft, last);
      dequeue(draft, last, "refused");
      tell(draft, last.request, refuse(refusal));
    }
  }
}

function circleRefusal({ state, nowMs }: Draft, waiter: Waiter): Refusal {
  const { request } = waiter;
  const conflict = namesAwaitedBy(state, waiter, nowMs);
  const parent = state.names.parentOf(waiter);
  const place = state.names.wantsOf(waiter)[0]?.one.place;
  assert(conflict?.access !== undefined && parent !== undefined && place !== undefined, "it waits for a name");
  const path = request.type === "open" ? `${parent.path}/${request.name}` : parent.path;
  const found = circleThrough(state.names, { parent, path, access: wantedBy(waiter) ?? [], place });
  const circle = found === undefined || found === "unknown" ? `${path} waits for itself, over many others` : found;
  const strategy = strategyInForce(parent, request.strategy);
  return { code: "conflict", conflict: { ...conflict, strategy, position: 0, access: { ...conflict.access, circle } } };
}
