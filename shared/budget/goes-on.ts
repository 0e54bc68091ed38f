/**
 * Work that was paused for the sake of others goes on by itself. As soon as it has given what the pause can have, or nobody claims it any
 * more, it waits at its parent for what it gave, all or nothing: with the time of its first arrival and its base priority, like any other
 * that waits for more. Once that is granted the pause is over. Who waits to go on makes nobody give way.
 */
import { LIMITS } from "#std";
import { pendingOf } from "./asked.ts";
import { serveWaiters } from "./cascade.ts";
import type { RaiseWish } from "./command.ts";
import { endPauses } from "./decide-resume.ts";
import { type Draft, effectKey, emit } from "./draft.ts";
import { givenBack, waitingToGoOn } from "./give-back.ts";
import { pausesAt } from "./paused.ts";
import { dequeue } from "./queue.ts";
import { isNothing, RESOURCES } from "./resource.ts";
import type { Allocation, Reclaim } from "./state.ts";

/** To be called at the end of a decision. True when something was done, so that more may follow. */
export function letGoOn(draft: Draft): boolean {
  const { goingOn = [], rested } = draft;
  for (const { node, preemptionId } of goingOn.splice(0)) endPauses(draft, node, [preemptionId]);
  if (!rested || rested.size === 0) return false;
  for (const node of [...rested]) {
    rested.delete(node);
    for (const pause of pausesAt(node)) if (pause.forOthers) waitToGoOn(draft, node, pause);
  }
  return true;
}

function waitToGoOn(draft: Draft, node: Allocation, pause: Reclaim): void {
  const { parent } = node;
  if (!parent || node.state !== "open") return;
  const known = waitingToGoOn(node, pause.preemptionId);
  const isWanted = !isNothing(pendingOf(pause)) && parent.waiters.claims.isLeaving(node.id);
  if (isWanted && !known) return;
  const by = givenBack(node, pause);
  if (known && RESOURCES.every((resource) => known.demand.wanted[resource] === by[resource])) return;
  // What came back meanwhile is waited for, too.
  if (known) dequeue(draft, known, "cancelled");
  if (isNothing(by)) {
    endPauses(draft, node, [pause.preemptionId]);
    return;
  }
  const { arrivedAtMs = node.openedAtMs } = draft.state.victims.historyOf(node.id) ?? {};
  const request: RaiseWish = {
    type: "raise",
    // No other caller is nobody.
    caller: "",
    requestId: `${pause.preemptionId}/${node.id}`,
    allocationId: node.id,
    epoch: undefined,
    by,
    min: by,
    waitMs: LIMITS.durationMsMax,
    strategy: undefined,
    arrivedAtMs,
    resumes: pause.preemptionId,
  };
  const event = { type: "request_queued", atMs: draft.nowMs, parentId: parent.id } as const;
  const untilMs = draft.nowMs + request.waitMs;
  emit(draft, { ...event, effectKey: effectKey("", request.requestId), fingerprint: 0, request, untilMs }, parent);
  serveWaiters(draft, parent);
}
