/** What a daemon says to new work while it shuts down, and how it knows what failed for that. */
import { type Refusal, RefusalError, refusal } from "#errors";
import { LIMITS } from "#std";

export function drainingRefusal(): Refusal {
  const message = "this daemon is shutting down; ask again after a while, or another daemon";
  return refusal({ reason: "DRAINING", message, retryAfterMs: LIMITS.redialDelayMaxMs });
}

/** Whether something failed because this daemon ended before it: its loop tells nothing any more. That is no fault. */
export function isOfTheEnd(error: unknown): boolean {
  return error instanceof RefusalError && error.refusal.reason === "DRAINING";
}
