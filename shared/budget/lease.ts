/** How long a lease given to another daemon may be: a child's lease never outlives its own holder's. */
import { LIMITS } from "#std";
import { type Allocation, rootOf } from "./state.ts";

/** Milliseconds of a lease that begins now below `node`; 0 when the lease of this daemon itself is over. */
export function leaseUnder(node: Allocation, nowMs: number, ttlMs: number): number {
  const root = rootOf(node);
  if (root.side !== "received" || root.leaseEndsAtMs === undefined) return ttlMs;
  return Math.max(0, Math.min(ttlMs, root.leaseEndsAtMs - nowMs));
}

/** When a daemon gives up a holder that counts `ttlMs` from before now. */
export function leaseEnd(nowMs: number, ttlMs: number): number {
  return nowMs + ttlMs + LIMITS.leaseMarginMs;
}

/**
 * What is left of a delegated lease for a holder that counts from now; nothing when the lease of this daemon itself is over, although after
 * a restart it gives the holder up much later.
 */
export function leaseLeft(node: Allocation, nowMs: number): number {
  if (node.side !== "delegated" || node.leaseEndsAtMs === undefined) return node.leaseTtlMs;
  const left = node.leaseEndsAtMs - LIMITS.leaseMarginMs - nowMs;
  return Math.max(0, Math.min(left, leaseUnder(node, nowMs, node.leaseTtlMs)));
}
