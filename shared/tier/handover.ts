/**
 * A grant on its way from daemon to daemon. It is pushed, so its holder must not count the lease from when it came: one that was long on
 * its way would outlive what the parent has written down. It counts from the parent's commit, told by the holder's own clock.
 */
import type { OutcomeOf } from "#budget";
import type { GrantHandover } from "#ports";

/** Times of the parent, and where the holder's clock stood at its commit: undefined when the holder never said. Milliseconds. */
export interface HandoverTimes {
  readonly nowMs: number;
  readonly holderMarkMs: number | undefined;
}

/** A grant as it is handed to its holder. Its deadline travels as the time that is left. */
export function handoverOf(opened: OutcomeOf<"opened">, { nowMs, holderMarkMs }: HandoverTimes): GrantHandover {
  // Field by field: to copy all but a few is slow, and this is on the way of every grant.
  const { allocationId, path, depth, name, kind, limits, pooled, priority, weight, policy } = opened;
  const { token, epoch, leaseTtlMs, deadlineAtMs } = opened;
  const deadlineLeftMs = deadlineAtMs === undefined ? undefined : Math.max(0, deadlineAtMs - nowMs);
  const handover: GrantHandover = {
    allocationId,
    path,
    depth,
    name,
    kind,
    limits,
    pooled,
    priority,
    weight,
    policy,
    token,
    epoch,
    leaseTtlMs,
    holderMarkMs,
    deadlineLeftMs,
  };
  return opened.access ? { ...handover, access: opened.access } : handover;
}

/**
 * End of the lease of a grant that comes now, by the engine time of the daemon that takes it. Without a mark it is over at once: nothing is
 * spent before the first renewal, which the reporter then asks for without delay.
 */
export function leaseOfGrant(grant: Pick<GrantHandover, "holderMarkMs" | "leaseTtlMs">, nowMs: number): number {
  const { holderMarkMs, leaseTtlMs } = grant;
  return holderMarkMs === undefined ? nowMs : Math.min(nowMs, holderMarkMs) + leaseTtlMs;
}
