/** How a preemption stands. */
import type { PreemptResponse } from "#gen/bursar/v1/preemption_service_pb.js";
import type { ResourceAmounts } from "#gen/bursar/v1/resources_pb.js";
import { bytes, countOf } from "./amounts.ts";
import type { Style } from "./style.ts";

export type PreemptMode = "shrink" | "pause" | "stop";

/** The amounts as plain numbers. */
export interface PreemptedAmounts {
  readonly credits: number;
  readonly tool_calls: number;
  readonly concurrent_branches: number;
  readonly memory_bytes: number;
}

/** The JSON form of how a preemption stands. */
export interface PreemptReport {
  readonly mode: PreemptMode;
  readonly preemption_id: string;
  readonly allocation_id: string;
  readonly reclaimed: PreemptedAmounts;
  readonly pending: PreemptedAmounts;
  readonly waiting_on: readonly string[];
  readonly victims: readonly string[];
  readonly met: boolean;
}

export function preemptReport(response: PreemptResponse, mode: PreemptMode): PreemptReport {
  const { preemptionId, allocationId, reclaimed, pending, waitingOn, victims, met } = response;
  return {
    mode,
    preemption_id: preemptionId,
    allocation_id: allocationId,
    reclaimed: amountsOf(reclaimed),
    pending: amountsOf(pending),
    waiting_on: waitingOn,
    victims,
    met,
  };
}

const DONE: Readonly<Record<PreemptMode, string>> = { shrink: "", pause: "paused: ", stop: "stopped: " };
const DOING: Readonly<Record<PreemptMode, string>> = { shrink: "", pause: "pausing: ", stop: "stopping: " };

export function preemptLine(report: PreemptReport, style: Style): string {
  const { mode, reclaimed, pending, waiting_on: waitingOn, victims, met } = report;
  const back = `${wordsOf(reclaimed)} back`;
  const from = mode === "shrink" || victims.length === 0 ? "" : `, ${countOf(victims.length, "step")} below`;
  if (met) return `${style.good("✔")} ${DONE[mode]}${back}${from}`;
  const asked = waitingOn.length === 0 ? "" : `, asked of ${countOf(waitingOn.length, "allocation")} below`;
  const wanted = mode === "stop" ? "the rest when it is gone" : `${wordsOf(pending)} still wanted`;
  return `${style.warn("…")} ${DOING[mode]}${back}, ${wanted}${asked}`;
}

function amountsOf(amounts: ResourceAmounts | undefined): PreemptedAmounts {
  return {
    credits: Number(amounts?.credits ?? 0),
    tool_calls: Number(amounts?.toolCalls ?? 0),
    concurrent_branches: Number(amounts?.concurrentBranches ?? 0),
    memory_bytes: Number(amounts?.memoryBytes ?? 0),
  };
}

function wordsOf(amounts: PreemptedAmounts): string {
  const words = [
    amounts.credits === 0 ? "" : countOf(amounts.credits, "credit"),
    amounts.tool_calls === 0 ? "" : countOf(amounts.tool_calls, "tool call"),
    amounts.concurrent_branches === 0 ? "" : countOf(amounts.concurrent_branches, "slot"),
    amounts.memory_bytes === 0 ? "" : bytes(amounts.memory_bytes),
  ];
  return words.filter((word) => word !== "").join(", ") || "nothing";
}
