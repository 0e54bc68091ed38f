/** Decisions in traces: an event of the span in which the decision was waited for, with the words that the caller is told. */
import { type Decided, shadowWords, wordsOf } from "#budget";
import { boundedText, FaultError } from "#errors";
import type { Span, SpanAttributes } from "#ports";
import type { Decision, DecisionLog } from "./decision-log.ts";

const EVENT = "bursar.decision";

/** What was decided about a request or allocation, other than a refusal: the latest that is known. For spans that go somewhere. */
export function traceDecision(span: Span | undefined, decisions: DecisionLog, id: string): void {
  if (!span) return;
  const decision = decisions.latest(id);
  if (decision) span.event(EVENT, attributesOf(decision));
}

/** A refusal, by the error that its caller gets; both have their words from the engine. */
export function traceRefusal(span: Span | undefined, requestId: string, error: { readonly message: string }): void {
  if (!span) return;
  const decided: Decided = "REFUSED";
  const attributes = { "bursar.decided": decided, "bursar.reason": error.message, "bursar.request_id": requestId };
  const shadow = error instanceof FaultError ? error.error.shadow : undefined;
  span.event(EVENT, { ...attributes, ...(shadow !== undefined && { "bursar.shadow": shadow }) });
}

function attributesOf({ record }: Decision): SpanAttributes {
  const { requestId, allocationId, path, parentPath, verdict, shadow } = record;
  return {
    ...(shadow && { "bursar.shadow": boundedText(shadowWords(shadow)) }),
    "bursar.decided": verdict.decided,
    "bursar.reason": boundedText(wordsOf(record)),
    "bursar.request_id": requestId,
    "bursar.allocation_id": allocationId,
    "bursar.path": path,
    "bursar.parent_path": parentPath,
  };
}
