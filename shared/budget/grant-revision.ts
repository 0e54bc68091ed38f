/** What the holder of a delegated grant is told when the grant has changed. */
import type { Message } from "./outcome.ts";
import type { Allocation } from "./state.ts";

export type GrantRevision = Extract<Message, { readonly type: "granted" }>;

/** The grant as it stands, and what more is said; undefined: nobody holds it. */
export function revisionOf(
  { side, peer: holder, id: allocationId, epoch, grantedTotal, deadlineAtMs }: Allocation,
  more: Pick<GrantRevision, "pausesOver" | "inherited"> = {},
): GrantRevision | undefined {
  if (side !== "delegated" || holder === undefined) return undefined;
  return { type: "granted", holder, allocationId, epoch, grantedTotal, deadlineAtMs, ...more };
}
