/** PreemptionService, the same at process and execution: gives back what is free, asks below, streams how it stands. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Amounts, Message, OutcomeOf } from "#budget";
import { isNothing } from "#budget";
import { amountsToProto, type PreemptItemSpec, parseOrThrow, parsePreempt } from "#codec";
import { RefusalError } from "#errors";
import { PreemptionService, type PreemptResponseSchema } from "#gen/bursar/v1/preemption_service_pb.js";
import { bind, Feed, type ServiceBinding, toStatusMessage } from "#rpc";
import { errorOfRefusal, traceDecision, traceRefusal } from "#tier";
import type { DaemonBase } from "./base.ts";

type Answer = MessageInitShape<typeof PreemptResponseSchema>;

/** Throws unless the request means this daemon, in this life of it. */
export function checkAddressee(
  base: DaemonBase,
  { instance, incarnation }: { readonly instance: string; readonly incarnation: string },
): void {
  if (instance === base.instance && (incarnation === "" || incarnation === base.incarnation)) return;
  const message = `this is ${base.instance} in incarnation ${base.incarnation}, not ${instance} in ${incarnation}; say hello again to learn who is here`;
  throw new RefusalError({ reason: "STATE_FORBIDS", message });
}

export function preemptionService(base: DaemonBase): ServiceBinding {
  return bind(PreemptionService, {
    preempt: (request, context) => {
      const { items, waitMs, ...addressee } = parseOrThrow(parsePreempt, request);
      checkAddressee(base, addressee);
      const feed = new Feed<Answer>();
      const open = new Set(items.map(keyOf));
      const finish = (key: string) => {
        open.delete(key);
        if (open.size === 0) feed.end();
      };
      const unsubscribe = base.loop.subscribe((message) => {
        if (message.type !== "reclaim_progress" || !open.has(keyOf(message))) return;
        feed.push(progressOf(message));
        if (message.ended) finish(keyOf(message));
      });
      const cancel = base.clock.after(waitMs, () => feed.end());
      context.signal.addEventListener("abort", () => feed.end(), { once: true });
      for (const item of items) begin({ base, feed, item, finish, waitMs });
      return whenOver(feed, () => {
        unsubscribe();
        cancel();
      });
    },
  });
}

interface Beginning {
  readonly base: DaemonBase;
  readonly feed: Feed<Answer>;
  readonly item: PreemptItemSpec;
  readonly finish: (key: string) => void;
  readonly waitMs: number;
}

function begin({ base, feed, item, finish, waitMs }: Beginning): void {
  const { preemptionId, allocationId, trace, ...asked } = item;
  const span = base.telemetry.startSpan({
    name: "bursar.preempt",
    parent: trace,
    attributes: { "bursar.allocation_id": allocationId },
  });
  base.loop.submit({ type: "reclaim", preemptionId, allocationId, ...asked }, (outcome) => {
    if (outcome.type === "reclaimed") {
      const done = outcome.met || waitMs === 0;
      feed.push({ ...standingOf(allocationId, outcome), done });
      if (done) finish(keyOf(item));
      if (base.telemetry.enabled) traceDecision(span, base.loop.decisions, preemptionId);
      span.end();
      return;
    }
    const error =
      outcome.type === "refused"
        ? errorOfRefusal(outcome.refusal, { tier: base.settings.tier, errorId: base.ids.newId(), onOwn: true })
        : undefined;
    feed.push({ preemptionId, allocationId, done: true, ...(error ? { error: toStatusMessage(error) } : {}) });
    if (error) traceRefusal(span, preemptionId, error);
    span.end({ error: error?.message ?? outcome.type });
    finish(keyOf(item));
  });
}

function keyOf({
  preemptionId,
  allocationId,
}: {
  readonly preemptionId: string;
  readonly allocationId: string;
}): string {
  return `${preemptionId}\n${allocationId}`;
}

function standingOf(
  allocationId: string,
  { preemptionId, reclaimed, pending, returnedTotal, waitingOn, victims, met, exhausted }: OutcomeOf<"reclaimed">,
): Answer {
  const amounts = amountsAs({ reclaimed, pending, returnedTotal });
  // Of a SHRINK only who owes something is known.
  const from = victims.length > 0 ? victims : waitingOn;
  return { preemptionId, allocationId, ...amounts, waitingOn: [...waitingOn], victims: [...from], met, exhausted };
}

function progressOf({
  preemptionId,
  allocationId,
  reclaimed,
  pending,
  returnedTotal,
  exhausted,
  ended,
}: Extract<Message, { type: "reclaim_progress" }>): Answer {
  return {
    preemptionId,
    allocationId,
    ...amountsAs({ reclaimed, pending, returnedTotal }),
    met: ended && isNothing(pending),
    exhausted,
    done: ended,
  };
}

function amountsAs({
  reclaimed,
  pending,
  returnedTotal,
}: {
  readonly reclaimed: Amounts;
  readonly pending: Amounts;
  readonly returnedTotal: Amounts;
}) {
  return {
    reclaimed: amountsToProto(reclaimed),
    pending: amountsToProto(pending),
    returnedTotal: amountsToProto(returnedTotal),
  };
}

async function* whenOver<T>(source: AsyncIterable<T>, then: () => void): AsyncIterable<T> {
  try {
    yield* source;
  } finally {
    then();
  }
}
