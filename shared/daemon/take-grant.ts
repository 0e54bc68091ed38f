/** A grant that the tier above hands over: taken only in the life of the grantor that has welcomed this daemon, and under its lease. */
import type { Outcome } from "#budget";
import { RefusalError } from "#errors";
import type { GrantHandover } from "#ports";
import type { WorkGate } from "#rpc";
import { LIMITS } from "#std";
import { leaseOfGrant } from "#tier";
import type { DaemonBase } from "./base.ts";
import { checkAddressee } from "./preemption-service.ts";

/**
 * Throws NOT_WELCOMED unless the grantor in this life of it has welcomed this daemon: another one has not been told of the grant by hello
 * and takes it for never taken. `welcomedBy`: who has, now; `grantor`: the life that grants, empty for any.
 */
export function checkGrantor(welcomedBy: { readonly incarnation: string } | undefined, grantor: string): void {
  if (grantor === "" || grantor === welcomedBy?.incarnation) return;
  const message = `this daemon has not been welcomed by the one above it in its life ${grantor}; hand the grant over again`;
  throw new RefusalError({ reason: "NOT_WELCOMED", message, retryAfterMs: LIMITS.redialDelayFirstMs });
}

/** Who may open a stream of work here, and where its faults are told. */
export function workGate(base: DaemonBase): WorkGate {
  return {
    greet: (hello) => checkAddressee(base, hello),
    onFault: (error) => base.log.error({ err: error }, "work failed by a fault of this daemon"),
  };
}

/** Writes the grant down together with the notes. */
export function takeGrant(
  { loop }: Pick<DaemonBase, "loop">,
  grant: GrantHandover,
  notes: readonly (readonly [string, string])[],
): Promise<Outcome> {
  const { holderMarkMs, ...rest } = grant;
  const leaseEndsAtMs = leaseOfGrant(grant, loop.nowMs());
  return loop.ask({ type: "receive_grant", ...rest, leaseEndsAtMs, peer: "parent", notes });
}
