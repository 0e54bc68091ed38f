/** Directives that answer no report. */
import type { StopTold } from "#budget";
import type { DownItem, LowBudget, UsageAck } from "#ports";

const PLAIN = { sequence: 0, lease: undefined, final: false, error: undefined } as const;

/** `stop`: by which preemption, if it is one. */
export function stopOf(allocationId: string, reason: string, stop?: StopTold): DownItem {
  return { type: "ack", ack: { ...PLAIN, allocationId, directive: "STOP", reason, ...(stop && { stop }) } };
}

export interface LowBudgetItem {
  readonly type: "ack";
  readonly ack: UsageAck & { readonly directive: "LOW_BUDGET"; readonly lowBudget: LowBudget };
}

/** What `heldId` draws on runs low. */
export function lowBudgetItem(heldId: string, lowBudget: LowBudget): LowBudgetItem {
  return { type: "ack", ack: { ...PLAIN, allocationId: heldId, directive: "LOW_BUDGET", reason: "", lowBudget } };
}

/** Of the same resource of the same node, to the same allocation: one of them is enough. */
export function tellsTheSame({ ack }: LowBudgetItem, other: DownItem): boolean {
  if (other.type !== "ack" || other.ack.allocationId !== ack.allocationId) return false;
  const { lowBudget } = other.ack;
  return lowBudget?.resource === ack.lowBudget.resource && lowBudget.allocationId === ack.lowBudget.allocationId;
}
