/** What a child wishes of a parent that divides its budget by weight: kept beside the child, for what it holds now says nothing of it. */
import type { Amounts } from "./resource.ts";

/** Of credits and tool calls; the other amounts are zero, for what is held is there as wished or not at all. */
export interface ShareWish {
  /** The least that is of use. */
  readonly min: Amounts;
  /** All that is wished for. */
  readonly max: Amounts;
}

/** Begins the name of every SHRINK by which a parent asks back what is above a share. */
const ASK_PREFIX = "fair-share/";

export function isShareAsk(preemptionId: string): boolean {
  return preemptionId.startsWith(ASK_PREFIX);
}

/** A name for asking budget back of this allocation at this engine time; `number` tells two of one moment apart. */
export function shareAskName(allocationId: string, atMs: number, number: number): string {
  return `${ASK_PREFIX}${allocationId}/${atMs.toString(36)}${number === 0 ? "" : `#${number}`}`;
}
