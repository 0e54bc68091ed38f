/** What a daemon says to new work while it shuts down. */
import { type Refusal, refusal } from "#errors";
import { LIMITS } from "#std";

export function drainingRefusal(): Refusal {
  const message = "this daemon is shutting down; ask again after a while, or another daemon";
  return refusal({ reason: "DRAINING", message, retryAfterMs: LIMITS.redialDelayMaxMs });
}
