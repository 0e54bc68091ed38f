/** What is measured but not limited, cumulative over the subtree: bytes, GPU time, calls per tool. */
import { LIMITS } from "#std";
import { noteChange } from "./book.ts";
import { withEntry } from "./collections.ts";
import type { AccountCorrected, HoldCharged, UsageReported } from "./event.ts";
import { type Allocation, ownTally, type Tally } from "./state.ts";

/** Counts stop at the largest number that is still exact. */
function grown(count: number, by: number): number {
  return Math.min(count + by, LIMITS.amountMax);
}

/** Counts a call that was settled for the last time, at its allocation and all above it. */
export function countCall(node: Allocation, name: string, event: HoldCharged): void {
  for (let at: Allocation | undefined = node; at; at = at.parent) {
    noteChange(at);
    const tally = ownTally(at);
    tally.networkBytes = grown(tally.networkBytes, event.networkBytes);
    tally.diskBytes = grown(tally.diskBytes, event.diskBytes);
    tally.gpuMs = grown(tally.gpuMs, event.gpuMs);
    tally.memoryPeakBytes = Math.max(tally.memoryPeakBytes, event.memoryPeakBytes);
    countTool(tally, name, 1);
  }
}

/** The name under which calls of a tool are counted here: its own, or "other" once there are too many names. */
function counted({ callsPerTool }: Tally, name: string): string {
  return callsPerTool.has(name) || callsPerTool.size < LIMITS.toolNamesMax ? name : "other";
}

function countTool(tally: Tally, name: string, count: number): void {
  const key = counted(tally, name);
  tally.callsPerTool = withEntry(tally.callsPerTool, key, grown(tally.callsPerTool.get(key) ?? 0, count));
}

type Calls = readonly (readonly [string, number])[];

/** How many calls more than before were reported, per name. Names that share "other" here are taken together. */
export function grownCalls(tally: Tally, reported: Calls): Calls {
  if (reported.length === 0) return [];
  const totals = new Map<string, number>();
  let fresh = 0;
  for (const [name, count] of reported) {
    if (count === 0) continue;
    const known = tally.callsPerTool.has(name) || totals.has(name);
    if (!known) fresh += 1;
    const key = known || tally.callsPerTool.size + fresh <= LIMITS.toolNamesMax ? name : "other";
    totals.set(key, grown(totals.get(key) ?? 0, count));
  }
  const more = [...totals].map(([name, count]) => [name, count - (tally.callsPerTool.get(name) ?? 0)] as const);
  return more.filter(([, count]) => count > 0);
}

/** Takes over what a holder reported, as far as it has grown, at the granted node and all above it. */
export function reportTally(node: Allocation, event: UsageReported | AccountCorrected): void {
  const { tally } = node;
  const network = Math.max(0, event.networkBytes - tally.networkBytes);
  const disk = Math.max(0, event.diskBytes - tally.diskBytes);
  const gpu = Math.max(0, event.gpuMs - tally.gpuMs);
  const calls = grownCalls(tally, event.callsPerTool);
  for (let at: Allocation | undefined = node; at; at = at.parent) {
    noteChange(at);
    const above = ownTally(at);
    above.networkBytes = grown(above.networkBytes, network);
    above.diskBytes = grown(above.diskBytes, disk);
    above.gpuMs = grown(above.gpuMs, gpu);
    above.memoryPeakBytes = Math.max(above.memoryPeakBytes, event.memoryPeakBytes);
    for (const [name, count] of calls) countTool(above, name, count);
  }
}
